/** Runs one member of a run: see `member-process.ts`. */
import { runMember } from './member-process.ts';

await runMember(process.argv.slice(2));
