/** The `starling` command as it is built: what the shell starts. */
import { join } from 'node:path';
import { CompiledChunks } from './compiled-chunks.ts';

new CompiledChunks().run(join(import.meta.dirname, 'program.cjs'));
