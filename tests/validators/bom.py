"""Validates CycloneDX files strictly, by the version that each states; then reads each as a consumer would."""

import json
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

failed = False
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        text = file.read()
    document = json.loads(text)
    version = SchemaVersion[f"V{document['specVersion'].replace('.', '_')}"]
    error = JsonStrictValidator(version).validate_str(text)
    if error is not None:
        print(f"{name}: Python library, {version.name}: {error}", file=sys.stderr)
        failed = True
        continue
    bom = Bom.from_json(document)
    # Raises if a dependency or reference points to nothing.
    bom.validate()
    references = {component.bom_ref.value for component in bom.components}
    for vulnerability in bom.vulnerabilities:
        for target in vulnerability.affects:
            if target.ref not in references:
                print(f"{name}: {vulnerability.bom_ref} affects {target.ref}, which is not there", file=sys.stderr)
                failed = True
sys.exit(failed)
