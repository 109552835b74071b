/** Has the program built whose processes can have a fault: `faults.ts`. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { projectRoot } from '../../../project-root.ts';

/** Builds it into `dist/`. @throws what the bundler says, as where a place is not there at which something is planted */
export async function buildPlanted(): Promise<void> {
  await promisify(execFile)('npm', ['run', 'plant', '--silent'], { cwd: projectRoot() });
}
