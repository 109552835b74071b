/** `npm run schema`: writes config/policy.schema.json. */
import { writeFile } from 'node:fs/promises';
import { policyJsonSchema } from './schema.ts';

await writeFile('config/policy.schema.json', `${JSON.stringify(policyJsonSchema(), null, 2)}\n`);
