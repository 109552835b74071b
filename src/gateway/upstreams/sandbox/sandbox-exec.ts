/**
 * A sandbox as a profile of macOS's `sandbox-exec`, in Apple's language for them (SBPL). The text is
 * tested, not its effect: no machine of the tests runs macOS.
 */
import type { SandboxPlan } from './bwrap.ts';

/** What every program on macOS reads. */
const SYSTEM_PATHS = [
  '/usr',
  '/bin',
  '/sbin',
  '/System',
  '/Library',
  '/private/etc',
  '/dev',
  '/opt',
];
const WRITABLE = ['/dev', '/private/tmp', '/private/var/folders'];

/** In the language of macOS's `sandbox-exec`: everything is allowed but what the plan withholds. */
export function sandboxProfile(plan: Omit<SandboxPlan, 'canChange' | 'isRoot'>): string {
  const hidden = [
    ...plan.hiddenFolders.map((path) => `(subpath ${quoted(path)})`),
    ...plan.hiddenFiles.map((path) => `(literal ${quoted(path)})`),
  ];
  const readOnly = plan.readOnly.map((path) => `(subpath ${quoted(path)})`);
  return [
    '(version 1)',
    '(allow default)',
    ...onlyThese(plan),
    ...rule('deny file-write*', readOnly),
    ...rule('deny file-read* file-write*', hidden),
    ...rule('deny network-outbound', hidden),
    // The node's memory and its life: only what runs in this sandbox can be traced or signalled.
    '(deny mach-priv-task-port)',
    '(deny process-info* (target others))',
    '(deny signal (target others))',
    ...(plan.network ? [] : ['(deny network*)']),
    '',
  ].join('\n');
}

function onlyThese({ only, home }: Pick<SandboxPlan, 'only' | 'home'>): readonly string[] {
  if (only === undefined) return [];
  const subpaths = (paths: readonly string[]): readonly string[] =>
    paths.map((path) => `(subpath ${quoted(path)})`);
  return [
    ...rule('deny file-read-data', subpaths([home, '/Users', '/Volumes', '/private/var'])),
    ...rule(
      'allow file-read*',
      subpaths([...SYSTEM_PATHS, ...WRITABLE, ...only.read, ...only.write]),
    ),
    '(deny file-write*)',
    ...rule('allow file-write*', subpaths([...WRITABLE, ...only.write])),
  ];
}

function rule(head: string, filters: readonly string[]): readonly string[] {
  return filters.length === 0 ? [] : [`(${head} ${filters.join(' ')})`];
}

/** A string of the profile: no path can end it. */
function quoted(path: string): string {
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
