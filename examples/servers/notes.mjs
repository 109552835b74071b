// Notes in one folder, for whoever may use them: node notes.mjs <folder>
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serve } from './serve.mjs';

const [folder = 'notes'] = process.argv.slice(2);
await mkdir(folder, { recursive: true });

/** A name is no path, so that nobody reads another file by one. */
const NAME = /^[a-z0-9-]{1,64}$/;
const fileOf = (name) => {
  if (!NAME.test(name)) throw new Error('a name has letters a to z, digits and dashes');
  return join(folder, `${name}.txt`);
};
const name = { type: 'string', description: 'Letters a to z, digits and dashes.' };
const text = { type: 'string', description: 'What the note says.' };

await serve('notes', {
  list: {
    description: 'Lists the notes.',
    annotations: { readOnlyHint: true },
    async run() {
      const names = (await readdir(folder)).map((file) => file.replace(/\.txt$/, ''));
      return names.sort().join('\n') || 'no notes yet';
    },
  },
  read: {
    description: 'Reads a note.',
    annotations: { readOnlyHint: true },
    properties: { name },
    required: ['name'],
    run: (args) => readFile(fileOf(args.name), 'utf8'),
  },
  write: {
    description: 'Writes a note.',
    annotations: { idempotentHint: true },
    properties: { name, text },
    required: ['name', 'text'],
    async run(args) {
      await writeFile(fileOf(args.name), args.text);
      return `wrote ${args.name}`;
    },
  },
  delete: {
    description: 'Deletes a note.',
    annotations: { destructiveHint: true },
    properties: { name },
    required: ['name'],
    async run(args) {
      await rm(fileOf(args.name));
      return `deleted ${args.name}`;
    },
  },
});
