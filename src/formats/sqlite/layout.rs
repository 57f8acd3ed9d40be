//! Tables whose cells their own library unpickles, known by their columns.

/// A column that is unpickled, and the column and number that say so where not every cell is a pickle.
type Pickled = (&'static str, Option<(&'static str, i64)>);

/// A layout: the columns that tell it, whether there are no others, and those that are unpickled.
struct Layout {
    columns: &'static [&'static str],
    exact: bool,
    pickled: &'static [Pickled],
}

const LAYOUTS: &[Layout] = &[
    // diskcache: a raw key and other modes are values as they are.
    Layout {
        columns: &["key", "raw", "expire_time", "mode", "filename", "value"],
        exact: false,
        pickled: &[("key", Some(("raw", 0))), ("value", Some(("mode", 4)))],
    },
    // APScheduler.
    Layout { columns: &["id", "next_run_time", "job_state"], exact: true, pickled: &[("job_state", None)] },
    // Celery: results of tasks and of groups.
    Layout { columns: &["task_id", "status", "result", "date_done"], exact: false, pickled: &[("result", None)] },
    Layout { columns: &["taskset_id", "result", "date_done"], exact: false, pickled: &[("result", None)] },
    // persist-queue.
    Layout { columns: &["_id", "data", "timestamp"], exact: false, pickled: &[("data", None)] },
    // Django's cache in a database: base64.
    Layout { columns: &["cache_key", "value", "expires"], exact: true, pickled: &[("value", None)] },
    // sqlitedict, shelve over dbm.sqlite3, requests-cache. They ask for these columns and do not mind others.
    Layout { columns: &["key", "value"], exact: false, pickled: &[("value", None)] },
];

/// The columns of a table that are unpickled, by their number; each with the column that says so, if one does.
pub(super) fn pickled(columns: &[String]) -> Vec<(usize, Option<(usize, i64)>)> {
    let place = |name: &str| columns.iter().position(|column| column == name);
    let layout = LAYOUTS.iter().find(|layout| {
        (!layout.exact || layout.columns.len() == columns.len()) && layout.columns.iter().all(|name| place(name).is_some())
    });
    let pickled = layout.map_or([].as_slice(), |layout| layout.pickled).iter();
    let numbered = |&(name, when): &Pickled| {
        let when = when.map(|(marker, number)| Some((place(marker)?, number)));
        Some((place(name)?, when.flatten()))
    };
    pickled.filter_map(numbered).collect()
}

#[cfg(test)]
mod tests {
    use super::pickled;

    #[test]
    fn tables_are_known_by_their_columns() {
        let found = |columns: &str| pickled(&columns.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(found("key value"), [(1, None)]);
        assert_eq!(found("more key value"), [(2, None)]);
        assert_eq!(found("name value"), []);
        let cache = "rowid key raw store_time expire_time access_time access_count tag size mode filename value";
        assert_eq!(found(cache), [(1, Some((2, 0))), (11, Some((9, 4)))]);
    }
}
