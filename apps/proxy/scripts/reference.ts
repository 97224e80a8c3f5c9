// Writes what is generated from the table of options: the published schema and the reference in the README.
// Run it after changing an option: node scripts/reference.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { referenceTable } from '../src/config/reference.ts';
import { rootOption, toJsonSchema } from '../src/config/index.ts';

const schema = new URL('../proxy.schema.json', import.meta.url);
writeFileSync(schema, `${JSON.stringify(toJsonSchema(rootOption, true), null, 2)}\n`);

const readme = new URL('../README.md', import.meta.url);
const marked = /(<!-- options -->\n)[\s\S]*?(<!-- \/options -->)/u;
writeFileSync(
  readme,
  readFileSync(readme, 'utf8').replace(
    marked,
    (_, start: string, end: string) => `${start}${referenceTable()}\n${end}`,
  ),
);
