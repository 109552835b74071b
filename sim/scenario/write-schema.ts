/** `npm run schema`: writes config/scenario.schema.json. */
import { writeFile } from 'node:fs/promises';
import { scenarioJsonSchema } from './schema.ts';

await writeFile(
  'config/scenario.schema.json',
  `${JSON.stringify(scenarioJsonSchema(), null, 2)}\n`,
);
