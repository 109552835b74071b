/**
 * Verifies a log from its files alone, on any machine: the chain, the checkpoints, the head, and what
 * others have seen. Reads a segment at a time, and changes nothing.
 */
import type { Did } from '../core/index.ts';
import { isSealed } from './checkpoint.ts';
import { listSegments, readHead, readLines } from './segments/folder.ts';
import type { Head, Segment } from './segments/folder.ts';
import { hashLine, readEntry } from './format.ts';
import { BEGINNING, checkSegment } from './segments/segment-check.ts';
import type { ChainState, SegmentCheckInit, CheckedLine } from './segments/segment-check.ts';
import { floorOf } from './segments/recover.ts';
import type { AuditFinding, AuditVerdict, Checkpoint } from './types.ts';

/** Entries between two checkpoints, at most, unless the log was made with another number. */
export const CHECKPOINT_ENTRIES = 10_000;
/** `ability` of the entry that tells of a new key; its `resource` is the did of that. */
export const KEY_CHANGE = 'identity/rotate';
const FINDINGS_MAX = 100;
/** A running node may remove old segments while we read. */
const ATTEMPTS = 3;

/** How a log is verified. */
export interface VerifyInit {
  /** Whose log it is; the newest key first when it was changed. */
  readonly did: Did | readonly Did[];
  /** Checkpoints of this log that others have; what is not signed by its keys is ignored. */
  readonly checkpointsSeen?: readonly Checkpoint[];
  /** Entries between two checkpoints, at most; default {@link CHECKPOINT_ENTRIES}. */
  readonly checkpointEntries?: number;
}

/**
 * Finds any edit, deletion, reordering or truncation before the last checkpoint in `folder`, and before
 * those that others have seen. @throws STARLING_STATE_UNUSABLE when it can't be read
 */
export async function verifyLog(folder: string, init: VerifyInit): Promise<AuditVerdict> {
  for (let attempt = 1; ; attempt += 1) {
    const head = await readHead(folder);
    try {
      const verdict = await verifyOnce(folder, init, head);
      if (attempt === ATTEMPTS || verdict.ok || !(await hasMoved(folder, head))) return verdict;
    } catch (error) {
      if (attempt === ATTEMPTS || !(await hasMoved(folder, head))) throw error;
    }
  }
}

async function hasMoved(folder: string, before: Head | 'damaged'): Promise<boolean> {
  const now = await readHead(folder);
  if (now === 'damaged' || before === 'damaged') return now !== before;
  return now.removed?.seq !== before.removed?.seq;
}

async function verifyOnce(
  folder: string,
  init: VerifyInit,
  head: Head | 'damaged',
): Promise<AuditVerdict> {
  const segments = await listSegments(folder);
  const verifier = new Verifier(init, head);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    verifier.segment(segment, await readSegment(segment, isLast));
  }
  return verifier.verdict(segments.length);
}

async function readSegment(segment: Segment, isLast: boolean): Promise<readonly CheckedLine[]> {
  const checked: CheckedLine[] = [];
  for await (const lines of readLines(segment.path)) {
    for (const { bytes, whole } of lines) {
      // At the end of the log, a write may be going on.
      if (!whole && isLast) break;
      const entry = whole ? readEntry(bytes) : 'it is not ended by a line feed';
      const hash = hashLine(bytes);
      if (typeof entry === 'string') checked.push({ hash, problem: entry });
      else {
        const { seq, prev, kind, checkpoint, what } = entry;
        const seal = checkpoint === undefined ? {} : { checkpoint };
        const isChange = kind === 'identity' && what.ability === KEY_CHANGE;
        const change = isChange ? { newKey: what.resource } : {};
        checked.push({ hash, entry: { seq, prev, kind, ...seal, ...change } });
      }
    }
  }
  return checked;
}

class Verifier {
  readonly #init: SegmentCheckInit;
  readonly #head: Head;
  readonly #hasHead: boolean;
  readonly #seen: ReadonlyMap<number, readonly Checkpoint[]>;
  readonly #findings: AuditFinding[] = [];
  #state: ChainState | undefined;
  #entries = 0;
  #first: number | undefined;
  #last = 0;

  constructor(init: VerifyInit, head: Head | 'damaged') {
    const dids = typeof init.did === 'string' ? [init.did] : init.did;
    const { checkpointEntries = CHECKPOINT_ENTRIES } = init;
    this.#init = { dids, checkpointEntries };
    this.#hasHead = head === 'damaged' || floorOf(head) !== undefined;
    this.#head = this.#soundHead(head);
    const seen = new Map<number, Checkpoint[]>();
    for (const one of init.checkpointsSeen ?? []) {
      if (!dids.includes(one.did) || !isSealed(one, 'checkpoint')) continue;
      seen.set(one.seq, [...(seen.get(one.seq) ?? []), one]);
    }
    this.#seen = seen;
  }

  segment({ name, first }: Segment, lines: readonly CheckedLine[]): void {
    const begins = lines[0]?.entry?.seq;
    if (begins !== undefined && begins !== first) {
      this.#tell(
        'reordered',
        name,
        0,
        `it is named after entry ${first}, but begins with ${begins}`,
      );
    }
    this.#state ??= this.#beginning(name, first);
    this.#state = checkSegment(name, lines, this.#state, this.#init, (finding) => {
      this.#add(finding);
    });
    for (const [index, { entry, hash }] of lines.entries()) {
      if (entry === undefined) continue;
      this.#first ??= entry.seq;
      this.#last = Math.max(this.#last, entry.seq);
      for (const seen of this.#seen.get(entry.seq) ?? []) {
        if (seen.hash !== hash) this.#tell('rewritten', name, index + 1, rewritten(seen));
      }
    }
    this.#entries += lines.length;
  }

  verdict(segments: number): AuditVerdict {
    this.#checkEnd();
    const removed = this.#head.removed?.seq ?? 0;
    const oldest = this.#first ?? removed + 1;
    const old = [...this.#seen].filter(([seq]) => seq < oldest && seq <= removed);
    const checkpoint = this.#state?.checkpoint;
    return {
      ok: this.#findings.length === 0,
      entries: this.#entries,
      segments,
      unsigned: this.#state?.unsigned ?? 0,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      removedThrough: removed,
      tooOld: old.reduce((sum, [, list]) => sum + list.length, 0),
      findings: this.#findings,
    };
  }

  /** What comes before the oldest segment. */
  #beginning(name: string, first: number): ChainState {
    const { removed } = this.#head;
    if (first <= 1) return BEGINNING;
    const unknown: ChainState = { ...BEGINNING, last: undefined };
    // A crash while old segments were removed leaves some of them: they are part of the chain still.
    if (removed !== undefined && first <= removed.seq) return unknown;
    if (removed?.seq === first - 1) {
      return { ...BEGINNING, last: { seq: removed.seq, hash: removed.hash } };
    }
    const from = (removed?.seq ?? 0) + 1;
    this.#tell(
      'missing',
      name,
      1,
      `entries ${from} to ${first - 1} should stand before this line; no removal of them was signed`,
    );
    return unknown;
  }

  #checkEnd(): void {
    const { position, checkpoint } = this.#state ?? BEGINNING;
    const ends = [...this.#seen.values()].flat().concat(floorOf(this.#head) ?? []);
    const farthest = ends.reduce<Checkpoint | undefined>(
      (best, one) => ((best?.seq ?? 0) > one.seq ? best : one),
      undefined,
    );
    if (farthest !== undefined && farthest.seq > this.#last) {
      const at = new Date(farthest.at).toISOString();
      this.#tell(
        'truncated',
        position.segment,
        position.line,
        `entries ${this.#last + 1} to ${farthest.seq}, signed at ${at}, are missing at the end`,
      );
    }
    const [newest] = this.#init.dids;
    if (checkpoint !== undefined && newest !== undefined && checkpoint.did !== newest) {
      this.#tell(
        'missing',
        position.segment,
        position.line,
        `nothing is signed by ${newest}, the key that the node has now: the end was cut off, or the node was not started since its key was changed`,
      );
    }
    // It is written soon after the first checkpoint.
    const isDue = (checkpoint?.seq ?? 0) > this.#init.checkpointEntries * 2;
    if (!this.#hasHead && isDue) this.#tell('missing', 'head.json', 0, 'the file is not there');
  }

  #soundHead(head: Head | 'damaged'): Head {
    if (head === 'damaged') {
      this.#tell('malformed', 'head.json', 0, 'it does not parse');
      return {};
    }
    const isOurs = (one: Checkpoint | undefined, label: 'checkpoint' | 'removal'): boolean =>
      one === undefined || (this.#init.dids.includes(one.did) && isSealed(one, label));
    if (isOurs(head.checkpoint, 'checkpoint') && isOurs(head.removed, 'removal')) return head;
    this.#tell('signature', 'head.json', 0, "its signature does not hold, or is a stranger's");
    return {};
  }

  #tell(rule: AuditFinding['rule'], segment: string, line: number, text: string): void {
    this.#add({ rule, segment, line, text });
  }

  #add(finding: AuditFinding): void {
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(finding);
  }
}

/** What is wrong when a line is not as `seen` says. */
export function rewritten(seen: Checkpoint): string {
  const at = new Date(seen.at).toISOString();
  return `this node signed another entry ${seen.seq} at ${at}: something up to here was changed`;
}
