/** `npm run docs`: writes the pages of `docs/reference`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { referencePages } from './pages.ts';

const FOLDER = join('docs', 'reference');

await mkdir(FOLDER, { recursive: true });
for (const [name, text] of await referencePages('src')) await writeFile(join(FOLDER, name), text);
