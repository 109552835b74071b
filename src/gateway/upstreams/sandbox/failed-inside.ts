/** Tells a server that fails because of its sandbox from one that fails anyway. */
import type { StdioServer } from '../../../config/index.ts';
import type { Launch } from './sandbox.ts';
import { programOf, takesRights } from './find-program.ts';

/**
 * A path that the sandbox covers went away between the look at it and the start, as folders of other nodes may: before bwrap
 * came to it, or after bwrap had mounted something there, which the kernel takes away with the folder.
 */
const GONE =
  /^bwrap: Can't .*: (?:No such file or directory|Not a directory|Unable to find ".*" in mount table|Unable to (?:remount destination|apply mount flags).*: Invalid argument)$/;

/** Whether a sandbox was not set up because a path went away meanwhile: it is as good as new when it is planned anew. */
export function isOutdated(launch: Launch, stderr: readonly string[]): boolean {
  return launch.kind === 'bwrap' && stderr.some((line) => GONE.test(line));
}

/** Words by which programs say that they lack the rights of another user or of the machine. */
const NO_RIGHTS =
  /no new privileges|effective uid is not 0|must be (setuid|suid)|setuid sandbox|unable to change to (root gid|sudoers gid)|must be owned by uid 0|No usable sandbox|new namespace/i;
const ENGINE = /docker daemon|docker\.sock|podman\.sock|containerd\.sock/i;
const BUS = /(D-?Bus|system_bus_socket|\/bus\b|systemd\/private)/i;
/** What bwrap itself says. */
const SET_UP = /^bwrap: (.*)$/;

/** What is to be done for a server whose process ended in its sandbox; undefined where that did not matter. */
export async function remedyInside(
  name: string,
  server: StdioServer,
  launch: Launch,
  stderr: readonly string[],
): Promise<string | undefined> {
  if (launch.kind === 'none') return undefined;
  const key = `mcpServers.${name}.sandbox`;
  const off = `if you trust it with all that you may do, set ${key} to false`;
  const around = {
    path: server.env['PATH']?.reveal() ?? process.env['PATH'] ?? '',
    cwd: server.cwd ?? '/',
  };
  const program = await programOf(server.command, around);
  if (program !== undefined && (await takesRights(program))) {
    return `its command takes the rights of another user (setuid), which a sandbox does not allow; ${off}`;
  }
  const text = stderr.join('\n');
  if (NO_RIGHTS.test(text)) {
    return `it wants the rights of another user (sudo, setuid), which a sandbox does not allow; ${off}`;
  }
  const setUp = stderr.map((line) => SET_UP.exec(line)?.[1]).find((line) => line !== undefined);
  if (setUp !== undefined && launch.kind === 'bwrap') {
    return `its sandbox could not be set up (${setUp}); correct ${key}, or ${off}`;
  }
  const limits =
    server.sandbox === undefined || server.sandbox === false ? undefined : server.sandbox;
  if (ENGINE.test(text) || BUS.test(text)) {
    return `sockets of container engines and service managers are hidden from it; name the socket in ${key}.reach: [...]`;
  }
  const seen = launch.hidden.find((path) => text.includes(path));
  if (seen !== undefined) return `the sandbox hides ${seen} from it; ${off}`;
  if (
    limits?.network === false &&
    /ENETUNREACH|EAI_AGAIN|ENOTFOUND|Network is unreachable|resolve/i.test(text)
  ) {
    return `it has no network; set ${key}.network to true if it needs one`;
  }
  if (
    (limits?.read !== undefined || limits?.write !== undefined) &&
    /ENOENT|EACCES|EROFS|No such file|Permission denied|Read-only|not found|Cannot find/i.test(text)
  ) {
    return `it sees the paths of ${key} only; add what it needs to read or write there`;
  }
  return undefined;
}
