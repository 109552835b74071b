/**
 * What a disk that refuses work means, in words: told from the error of a file call, or from the text of
 * a library that has only words.
 */
import { messageOf } from '../errors.ts';

/** Why the disk refuses, and what its owner can do. */
export interface DiskTrouble {
  /** A stable word for tests and for whoever decides by the kind of trouble. */
  readonly kind: 'full' | 'read-only' | 'denied' | 'broken' | 'files';
  /** A part of a sentence: "the disk is full". */
  readonly text: string;
  /** What to do. Never to move the folder away: what is in there is sound. */
  readonly hint: string;
}

interface Row extends DiskTrouble {
  /** Error numbers by name (POSIX.1-2017 §2.3), and the words of the C library for the same. */
  readonly codes: readonly string[];
  readonly words: RegExp;
}

const ROWS: readonly Row[] = [
  {
    kind: 'full',
    codes: ['ENOSPC', 'EDQUOT'],
    words: /no space left on device|disk quota exceeded/i,
    text: 'the disk is full',
    hint: 'free space on that disk (df -h shows it); nothing that was written before is lost',
  },
  {
    kind: 'read-only',
    codes: ['EROFS'],
    words: /read-only file system/i,
    text: 'the disk is read-only',
    hint: 'mount that disk writable; when the kernel made it read-only, its log (dmesg) says why',
  },
  {
    kind: 'denied',
    codes: ['EACCES', 'EPERM'],
    words: /permission denied|operation not permitted/i,
    text: 'this user may not write there',
    hint: 'give the folder and all in it to the user who runs the node (chown -R)',
  },
  {
    kind: 'broken',
    codes: ['EIO'],
    words: /input\/output error/i,
    text: 'the disk reports errors',
    hint: 'look at that disk (dmesg), and make a copy of the folder while it can be read',
  },
  {
    kind: 'files',
    codes: ['EMFILE', 'ENFILE'],
    words: /too many open files/i,
    text: 'no more files can be opened',
    hint: 'raise the limit of open files (ulimit -n) of the user who runs the node',
  },
];

/** What is wrong with the disk by `error` or its causes; undefined when that is not what they say. */
export function diskTroubleOf(error: unknown): DiskTrouble | undefined {
  const seen = new Set<unknown>();
  for (let one = error; one instanceof Error && !seen.has(one); one = one.cause) {
    seen.add(one);
    const code = 'code' in one ? one.code : undefined;
    const row =
      ROWS.find(({ codes }) => codes.some((known) => known === code)) ??
      ROWS.find(({ words }) => words.test(messageOf(one)));
    if (row !== undefined) {
      const { kind, text, hint } = row;
      return { kind, text, hint };
    }
  }
  return undefined;
}

/** What the disk refuses, as a part of a sentence: the trouble's own words, and the system's where they say more. */
export function diskText(error: unknown): string {
  const said = messageOf(error);
  const trouble = diskTroubleOf(error)?.text;
  if (trouble === undefined || said.includes(trouble)) return said;
  return `${trouble} (${said})`;
}
