/** What this system has to keep a process from the node's secrets. */
import { bwrapArguments } from './bwrap.ts';
import { programOf } from './find-program.ts';

/** The means, or why there is none and what to do. */
export type Means =
  | { readonly kind: 'bwrap' | 'sandbox-exec'; readonly program: string }
  | { readonly kind: 'none'; readonly why: string; readonly hint: string };

/** Runs a program to its end; gives its exit code and the end of what it wrote to standard error. */
export type RunBriefly = (
  program: string,
  args: readonly string[],
) => Promise<{ readonly code: number; readonly stderr: string }>;

const SANDBOX_EXEC = '/usr/bin/sandbox-exec';
/** First those of the system: in a folder of PATH a server may have put a program of that name, for the next start. */
const FOLDERS = '/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin:';
const ROOT_UID = 0;

/** Looks for the means of this system, and tries it. */
export async function findMeans(run: RunBriefly, env: NodeJS.ProcessEnv): Promise<Means> {
  const around = { path: `${FOLDERS}${env['PATH'] ?? ''}`, cwd: '/' };
  if (process.platform === 'darwin') return findSandboxExec(run, around);
  if (process.platform !== 'linux') {
    return none(
      'this system has no sandbox that Starling knows',
      'run the node on Linux (WSL) or macOS, or only servers that you trust',
    );
  }
  const program = await programOf('bwrap', around);
  if (program === undefined)
    return none(
      'bwrap is not installed',
      'apt install bubblewrap (dnf, pacman, apk: bubblewrap), then start the node again',
    );
  const { code, stderr } = await run(program, trial(program));
  if (code === 0) return { kind: 'bwrap', program };
  const why = stderr.trim().split('\n').at(-1) ?? '';
  return none(
    `bwrap does not work here: ${why === '' ? `exit code ${code}` : why}`,
    'allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu, seccomp of a container), then start the node again',
  );
}

/** A sandbox that hides nothing and asks bwrap for its version. */
function trial(program: string): readonly string[] {
  const plan = {
    isRoot: process.getuid?.() === ROOT_UID,
    network: true,
    home: '/',
    hiddenFolders: [],
    hiddenFiles: [],
    readOnly: [],
    canChange: () => false,
  };
  return [...bwrapArguments(plan, []), '--', program, '--version'];
}

async function findSandboxExec(
  run: RunBriefly,
  around: { readonly path: string; readonly cwd: string },
): Promise<Means> {
  const program = await programOf(SANDBOX_EXEC, around);
  if (program === undefined)
    return none(`${SANDBOX_EXEC} is missing`, 'run only servers that you trust');
  const { code, stderr } = await run(program, [
    '-p',
    '(version 1)(allow default)',
    '/usr/bin/true',
  ]);
  if (code === 0) return { kind: 'sandbox-exec', program };
  return none(
    `sandbox-exec does not work here: ${stderr.trim()}`,
    'run only servers that you trust',
  );
}

function none(why: string, hint: string): Means {
  return { kind: 'none', why, hint };
}
