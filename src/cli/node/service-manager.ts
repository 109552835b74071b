/** The service manager of this system: starts a node's service now and at each login, and ends it again. */
import { StarlingError } from '../../core/errors.ts';
import type { ServiceFile, ServiceKind } from './service-file.ts';

/** Runs a program of the system to its end. */
export type RunProgram = (
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
) => Promise<{ readonly code: number; readonly stderr: string }>;

/** What talks to the manager. */
export interface ServiceSystem {
  readonly platform: NodeJS.Platform;
  readonly uid: number;
  readonly env: NodeJS.ProcessEnv;
  readonly run: RunProgram;
}

/** Variables by which the manager of this user is found. */
const BUS: readonly string[] = [
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'HOME',
  'PATH',
  'USER',
];
const NOT_FOUND = 127;

/** Which manager this system has. @throws STARLING_SERVICE_UNAVAILABLE when it is none that is known */
export function serviceKind(platform: NodeJS.Platform): ServiceKind {
  if (platform === 'linux') return 'systemd';
  if (platform === 'darwin') return 'launchd';
  throw new StarlingError(
    'STARLING_SERVICE_UNAVAILABLE',
    `services of ${platform} are not known here`,
    {
      hint: 'have your system start this at login: starling up',
    },
  );
}

/**
 * That the manager is there and answers, before anything is written. `line` is the command that the service would
 * run, for whoever has another one start it. @throws STARLING_SERVICE_UNAVAILABLE
 */
export async function requireManager(system: ServiceSystem, line: string): Promise<void> {
  const kind = serviceKind(system.platform);
  const [program, ...args] =
    kind === 'systemd' ? ['systemctl', '--user', 'show-environment'] : ['launchctl', 'version'];
  const { code, stderr } = await call(system, program ?? '', args);
  if (code === 0) return;
  const isAbsent = code === NOT_FOUND;
  const what = isAbsent
    ? `${program} is not there, so that this machine has no ${kind}`
    : `the ${kind} of this user does not answer: ${lastLine(stderr)}`;
  throw new StarlingError('STARLING_SERVICE_UNAVAILABLE', `${what}; nothing was written`, {
    hint: isAbsent ? otherwise(line) : withoutBus(system, line),
  });
}

/** How the node runs after a reboot where there is no manager. */
function otherwise(line: string): string {
  return `have what starts programs here start this one as your user, and end it by SIGTERM; with cron, as a line of crontab -e:\n    @reboot ${line.replaceAll('%', String.raw`\%`)}`;
}

/** After su or sudo the manager of a user is there and can't be found, or starts only with a login. */
function withoutBus({ env, platform, uid }: ServiceSystem, line: string): string {
  if (serviceKind(platform) !== 'systemd') {
    return 'log in as this user on the machine itself, and try again';
  }
  const user = env['USER'] ?? '$USER';
  return [
    'log in as this user on the machine itself or by ssh (not by su or sudo), and try again; or have its manager run without a login:',
    `    sudo loginctl enable-linger ${user}`,
    `    export XDG_RUNTIME_DIR=/run/user/${uid}`,
    `  where systemd does not run at all (most containers): ${otherwise(line)}`,
  ].join('\n');
}

/** True while the service runs. */
export async function isServiceActive(
  system: ServiceSystem,
  { id }: ServiceFile,
): Promise<boolean> {
  const [program, ...args] =
    serviceKind(system.platform) === 'systemd'
      ? ['systemctl', '--user', 'is-active', id]
      : ['launchctl', 'print', `gui/${system.uid}/${id}`];
  return (await call(system, program ?? '', args)).code === 0;
}

/** Starts the service now and at each login. @throws STARLING_SERVICE_UNAVAILABLE with what the manager says */
export async function startService(
  system: ServiceSystem,
  { id, path }: ServiceFile,
): Promise<void> {
  if (serviceKind(system.platform) === 'systemd') {
    await must(system, 'systemctl', ['--user', 'daemon-reload']);
    await must(system, 'systemctl', ['--user', 'enable', id]);
    await must(system, 'systemctl', ['--user', 'restart', id]);
    return;
  }
  // An agent that runs is replaced.
  await call(system, 'launchctl', ['bootout', `gui/${system.uid}/${id}`]);
  await must(system, 'launchctl', ['bootstrap', `gui/${system.uid}`, path]);
}

/** Ends the service, now and for later logins. Never fails: the file is removed whatever the manager says. */
export async function stopService(system: ServiceSystem, { id }: ServiceFile): Promise<void> {
  if (serviceKind(system.platform) === 'systemd') {
    await call(system, 'systemctl', ['--user', 'disable', '--now', id]);
    return;
  }
  await call(system, 'launchctl', ['bootout', `gui/${system.uid}/${id}`]);
}

/** Has the manager forget a unit whose file is gone. */
export async function forgetService(system: ServiceSystem): Promise<void> {
  if (serviceKind(system.platform) !== 'systemd') return;
  await call(system, 'systemctl', ['--user', 'daemon-reload']);
}

async function must(
  system: ServiceSystem,
  program: string,
  args: readonly string[],
): Promise<void> {
  const { code, stderr } = await call(system, program, args);
  if (code === 0) return;
  throw new StarlingError(
    'STARLING_SERVICE_UNAVAILABLE',
    `${[program, ...args].join(' ')} failed: ${lastLine(stderr) || `exit code ${code}`}`,
    {
      hint:
        program === 'systemctl'
          ? 'the file is written; see what the service says with: journalctl --user -n 50'
          : 'the file is written; see whether macOS lets it run: System Settings, Login Items',
    },
  );
}

function call(
  { env, run }: ServiceSystem,
  program: string,
  args: readonly string[],
): ReturnType<RunProgram> {
  const needed = BUS.flatMap((name) =>
    env[name] === undefined ? [] : [[name, env[name]] as const],
  );
  return run(program, args, Object.fromEntries(needed));
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
