// validate.mjs SCHEMAS DIR - check the examples of every schema, and every
// document of DIR/<schema>.jsonl, with ajv.  Prints what does not fit and why.
//
// For each schema an example with one member too many must be refused: a
// schema that accepts anything would make this check worth nothing.
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const SHOWN = 20;
const [schemaDir, dir] = process.argv.slice(2);
const faults = [];
const count = { schemas: 0, examples: 0, documents: 0 };

const ajv = new Ajv2020({ allErrors: true, strict: true });
addFormats(ajv);

const schemas = readdirSync(schemaDir)
    .filter((file) => file.endsWith('.json'))
    .map((file) => ({
        kind: basename(file, '.json'),
        schema: JSON.parse(readFileSync(join(schemaDir, file), 'utf8')),
    }));
for (const { schema } of schemas) ajv.addSchema(schema);

function check(validate, doc, where) {
    if (!validate(doc)) faults.push(`${where}: ${ajv.errorsText(validate.errors)}`);
}

for (const { kind, schema } of schemas) {
    const validate = ajv.getSchema(schema.$id);
    const examples = schema.examples ?? [];

    count.schemas++;
    if (examples.length === 0) faults.push(`${kind}.json has no examples`);
    examples.forEach((example, i) => {
        count.examples++;
        check(validate, example, `${kind}.json, example ${i + 1}`);
    });
    if (examples.length > 0 && validate({ ...examples[0], 'no such member': 1 }))
        faults.push(`${kind}.json accepts a member that it does not know`);

    const file = join(dir, `${kind}.jsonl`);
    if (!existsSync(file)) continue;
    readFileSync(file, 'utf8').split('\n').forEach((line, i) => {
        if (line === '') return;
        count.documents++;
        check(validate, JSON.parse(line), `${kind}.jsonl:${i + 1}: ${line.slice(0, 200)}`);
    });
}

for (const fault of faults.slice(0, SHOWN)) console.log(`    ${fault}`);
if (faults.length > SHOWN) console.log(`    and ${faults.length - SHOWN} more`);
console.log(`  schemas by ajv       ${count.schemas} schemas, ${count.examples} examples, ` +
    `${count.documents} documents of the tests: ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
