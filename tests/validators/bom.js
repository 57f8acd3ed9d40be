// Validates CycloneDX files strictly, by the version that each states.
'use strict';
const fs = require('fs');
const { Validation } = require('@cyclonedx/cyclonedx-library');

async function main() {
  let failed = false;
  for (const file of process.argv.slice(2)) {
    const text = fs.readFileSync(file, 'utf8');
    const version = JSON.parse(text).specVersion;
    const error = await new Validation.JsonStrictValidator(version).validate(text);
    if (error !== null) {
      console.error(`${file}: JavaScript library, ${version}: ${JSON.stringify(error).slice(0, 2000)}`);
      failed = true;
    }
  }
  process.exit(failed ? 1 : 0);
}

main().catch((error) => {
  console.error(error);
  process.exit(2);
});
