/** Where else the same folder can be seen: bind mounts show one file system at several places. */
import { isInside } from './paths.ts';

/** One mount, as Linux tells of it (`proc_pid_mountinfo(5)`). */
export interface Mount {
  readonly device: string;
  /** Which folder of the file system is shown. */
  readonly root: string;
  readonly point: string;
}

const ESCAPED = /\\([0-7]{3})/g;

/** Reads `/proc/self/mountinfo`. Lines of another form are left out. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, , device, root, point] = line.split(' ');
    if (device === undefined || root === undefined || point === undefined) return [];
    return [{ device, root: unescaped(root), point: unescaped(point) }];
  });
}

/**
 * The other places of `path`, which is a real path: where the file system that holds it is mounted once
 * more, and mounts of what lies below it.
 */
export function otherPaths(path: string, mounts: readonly Mount[]): readonly string[] {
  const holder = holderOf(path, mounts);
  if (holder === undefined) return [];
  const inner = join(holder.root, path.slice(holder.point === '/' ? 0 : holder.point.length));
  return mounts.flatMap(({ device, root, point }) => {
    if (device !== holder.device) return [];
    if (isInside(inner, root)) {
      const place = join(point, inner.slice(root === '/' ? 0 : root.length));
      return place === path ? [] : [place];
    }
    return isInside(root, inner) && !isInside(point, path) ? [point] : [];
  });
}

/** The mount that shows `path`: the last one of those whose point is nearest. */
function holderOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let holder: Mount | undefined;
  for (const mount of mounts) {
    if (!isInside(path, mount.point)) continue;
    if (holder === undefined || mount.point.length >= holder.point.length) holder = mount;
  }
  return holder;
}

function join(before: string, after: string): string {
  const joined = `${before === '/' ? '' : before}${after}`;
  return joined === '' ? '/' : joined;
}

function unescaped(text: string): string {
  return text.replaceAll(ESCAPED, (_, octal: string) =>
    String.fromCodePoint(Number.parseInt(octal, 8)),
  );
}
