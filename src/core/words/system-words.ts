/** What the system says of files, ports and programs, in words of ours: its codes are for programmers. Pure. */

/** What to do where two nodes of one machine want the same ports; the README says it so, too. */
export const SECOND_NODE =
  'for a second node on this machine: starling up --listen /ip4/127.0.0.1/tcp/0 --http-port 0';

/** By error code (POSIX.1-2017 §2.3). */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is no folder',
  EEXIST: 'it is there already',
  ENOTEMPTY: 'the folder is not empty',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk is full',
  EROFS: 'the disk is read-only',
  EIO: 'the disk reports errors',
  EBUSY: 'another program uses it',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'the path is too long',
  EADDRINUSE: 'another program uses the port',
  EADDRNOTAVAIL: 'this machine has no such address',
};
/** Another meaning of the same code for a program or a port. */
const OF_PROGRAMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program',
  EACCES: 'it is no program that this user may run',
};
const OF_PORTS: Readonly<Record<string, string>> = { EACCES: 'this user may not use the port' };
const OF_SOCKETS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  EACCES: 'this user may not use the socket',
};

/** `ENOENT: no such file or directory, open '/etc/x'`, as `node:fs` writes it. */
const OF_A_FILE = /^(E[A-Z]{3,}): [^,]+(?:, [a-z]+(?: '.*')?)?$/s;
const OF_A_PROGRAM = /^spawn .*\b(E[A-Z]{3,})$/s;
const OF_A_PORT = /^(?:listen|bind) (E[A-Z]{3,})\b/;
/** A path, and no address: what a dial says has words of its own in the room of the dial. */
const OF_A_SOCKET = /^connect (E[A-Z]{3,}) [/\\@]/;

const FORMS: readonly (readonly [form: RegExp, words: Readonly<Record<string, string>>])[] = [
  [OF_A_FILE, {}],
  [OF_A_PROGRAM, OF_PROGRAMS],
  [OF_A_PORT, OF_PORTS],
  [OF_A_SOCKET, OF_SOCKETS],
];

/** The text in words of ours; undefined where it is not the system's, or nobody has words for it yet. */
export function systemWords(text: string): string | undefined {
  for (const [form, special] of FORMS) {
    const code = form.exec(text.trim())?.[1];
    if (code !== undefined) return special[code] ?? WORDS[code];
  }
  return undefined;
}
