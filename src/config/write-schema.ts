/** `npm run schema`: writes config/starling.schema.json. */
import { writeFile } from 'node:fs/promises';
import { configJsonSchema } from './schema/json-schema.ts';

await writeFile('config/starling.schema.json', `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
