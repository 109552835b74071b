/** Inboxes on the disk: which rows an agent's has, and what stands in them. */
import type { Table, Write } from '../../store/index.ts';
import type { AgentMessage } from '../types.ts';

/** A message in its row. */
export interface InboxRow {
  readonly sender: string;
  readonly message: AgentMessage;
}

/** Messages, each under its number. */
export const MAIL = 'mail/';
/** The number up to which all messages of an inbox were dealt with. */
export const READ = 'read/';
/** Numbers of messages behind it that were dealt with, too. */
export const DONE = 'done/';
const SEQ_DIGITS = 16;

/** The key of the message with this number in the inbox of `name`, or of what `rows` has of it. */
export function rowKey(name: string, seq: number, rows: typeof MAIL | typeof DONE = MAIL): string {
  return `${rows}${name}/${String(seq).padStart(SEQ_DIGITS, '0')}`;
}

/** The number in a key of {@link rowKey}. */
export function seqIn(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

/** What a row of {@link MAIL} has. */
export function rowIn(bytes: Uint8Array): InboxRow {
  return JSON.parse(textOf(bytes)) as InboxRow;
}

/** The number that the row {@link READ} of an inbox has; 0 where there is none. */
export async function readUpTo(table: Table, name: string): Promise<number> {
  const read = await table.get(READ + name);
  return read === undefined ? 0 : Number(textOf(read));
}

/** What is left of the inbox of a former agent of that name: it concerns nobody who takes the name later. */
export async function leftOf(table: Table, name: string): Promise<readonly Write[]> {
  const left: Write[] = [{ key: READ + name }];
  for (const rows of [MAIL, DONE]) {
    for await (const [key] of table.entries(`${rows}${name}/`)) left.push({ key });
  }
  return left;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
