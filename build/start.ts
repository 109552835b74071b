/** The `starling` command as it is built: what the shell starts. */
import { join } from 'node:path';
import { refuseDebugger } from '../src/core/system/debugger.ts';
import { CompiledChunks } from './compiled-chunks.ts';

refuseDebugger();
new CompiledChunks().run(join(import.meta.dirname, 'program.cjs'));
