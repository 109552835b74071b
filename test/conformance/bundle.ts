/**
 * Builds the programs of the conformance run into plain JavaScript: they are started a hundred times,
 * and TypeScript would be translated anew each time.
 */
import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** Paths of the built programs. */
export interface Programs {
  /** `fixture-server.ts` */
  readonly fixture: string;
  /** `client.ts` */
  readonly client: string;
}

/** Builds them into `folder`. */
export async function buildPrograms(folder: string): Promise<Programs> {
  const source = (name: string): string => join(import.meta.dirname, name);
  const build = await rolldown({
    input: { fixture: source('fixture-server.ts'), client: source('client.ts') },
    platform: 'node',
    logLevel: 'silent',
  });
  await build.write({
    dir: folder,
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name]-[hash].mjs',
  });
  await build.close();
  return { fixture: join(folder, 'fixture.mjs'), client: join(folder, 'client.mjs') };
}
