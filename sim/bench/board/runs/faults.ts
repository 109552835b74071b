/**
 * What is planted in the protocol of strong boards, to see that runs on real processes find it: a program is built
 * of the sources with each of these places in two forms, and a process of it is told which fault it has, if any. In
 * the same way two places are made that every such process has: one where a proposer can be slow, and deleted keys
 * are erased within seconds.
 */

/** One place of the sources, which must be there once, and what stands there instead. */
export interface Edit {
  /** Below the folder of strong boards. */
  readonly file: string;
  readonly text: string;
  /** `FAULT` stands for whether this process has the fault. */
  readonly instead: string;
}

const EDITS = {
  'a promise is not on disk before the answer': [
    {
      file: 'replica.ts',
      text: 'await this.#keep(name, row);',
      instead:
        "if (FAULT && question.t === 'prepare') this.#rows.set(name, row, 256); else await this.#keep(name, row);",
    },
  ],
  'a promise is not raised by an accept': [
    {
      file: 'acceptor.ts',
      text: 'row: { promised: later, accepted',
      instead: 'row: { promised: FAULT ? (row?.promised ?? NO_BALLOT) : later, accepted',
    },
  ],
  // As if each proposer were a later start of one node, while what the earlier one sent is still under way.
  'a ballot is used twice, and promised twice': [
    {
      file: 'proposer.ts',
      text: 'return [this.#counter, boot, this.#components.self];',
      instead:
        "return FAULT ? [this.#counter, 1, 'did:key:zOne'] : [this.#counter, boot, this.#components.self];",
    },
    {
      file: 'electorate.ts',
      text: "if (ask.t !== 'prepare' && ask.t !== 'accept' && ask.t !== 'step') return true;",
      instead:
        "if (FAULT || (ask.t !== 'prepare' && ask.t !== 'accept' && ask.t !== 'step')) return true;",
    },
    {
      file: 'acceptor.ts',
      text: "(row === undefined || question.t === 'prepare')",
      instead: "(row === undefined || (question.t === 'prepare' && !FAULT))",
    },
    // What is promised ahead would hide the fault mostly.
    {
      file: 'acceptor.ts',
      text: 'const later = compareBallots(next, ballot) > 0 ?',
      instead: 'const later = !FAULT && compareBallots(next, ballot) > 0 ?',
    },
  ],
  'two of five are taken for a majority': [
    {
      file: 'groups.ts',
      text: 'return Math.floor(length / 2) + 1;',
      instead: 'return FAULT ? Math.min(2, length) : Math.floor(length / 2) + 1;',
    },
  ],
  'a deleted key is erased without a floor': [
    {
      file: 'replica.ts',
      text: 'kept.floor = higherOf(kept.floor, floor);',
      instead: 'if (!FAULT) kept.floor = higherOf(kept.floor, floor);',
    },
  ],
  'a read takes what one replica has accepted': [
    {
      file: 'strong-read.ts',
      text: 'if (isMajority(',
      instead: 'if (FAULT || isMajority(',
    },
  ],
  'the replicas change and no key is written anew': [
    {
      file: 'set-change.ts',
      text: 'await this.#rewrite(id, keys);',
      instead: 'if (!FAULT) await this.#rewrite(id, keys);',
    },
  ],
  'a retry is applied twice': [
    {
      file: 'proposer.ts',
      text: 'request: op,',
      instead: 'request: FAULT ? op + Math.random() : op,',
    },
  ],
  'a replica forgets all and stays the same': [
    {
      file: 'replica.ts',
      text: 'const bytes = await this.#table.get(name);',
      instead: 'const bytes = FAULT ? undefined : await this.#table.get(name);',
    },
  ],
  'an unknown outcome is told as failed': [
    { file: 'proposer.ts', text: 'if (isOut) throw', instead: 'if (isOut && !FAULT) throw' },
    {
      file: 'strong-boards.ts',
      text: 'if (since !== undefined) throw',
      instead: 'if (since !== undefined && !FAULT) throw',
    },
  ],
} as const satisfies Record<string, readonly Edit[]>;

export type Fault = keyof typeof EDITS;

/** Everything that can be planted. */
export const FAULTS = Object.keys(EDITS) as readonly Fault[];

/** What every process of the program with faults has. */
const PROBES: readonly Edit[] = [
  {
    file: 'proposer.ts',
    text: "if (end === 'ask') continue;",
    instead: "if (end === 'ask') { await globalThis.starlingRun.goOn(); continue; }",
  },
  { file: 'erasing.ts', text: 'const SWEEP_MS = 60_000;', instead: 'const SWEEP_MS = 700;' },
];

/** Longer than a deletion is remembered by a program with faults, ms. */
export const ERASED_MS = 25_000;

/** Of the process with a fault: which, and whether it may go on where it has the promises of a majority. */
export interface RunHooks {
  readonly fault: string;
  goOn(): Promise<void>;
}

/** Every place, with what stands there in a program with faults. */
export function allEdits(): readonly Edit[] {
  const planted = Object.entries<readonly Edit[]>(EDITS).flatMap(([fault, edits]) =>
    edits.map((edit) => ({
      ...edit,
      instead: edit.instead.replace(
        'FAULT',
        () => `(globalThis.starlingRun.fault === ${JSON.stringify(fault)})`,
      ),
    })),
  );
  return [...planted, ...PROBES];
}

/** The source of a file of strong boards with all that is planted there. @throws where a place is not there once */
export function plantedIn(file: string, source: string): string {
  let text = source;
  for (const edit of allEdits()) {
    if (edit.file !== file) continue;
    if (text.split(edit.text).length !== 2) {
      throw new Error(`${file} does not hold once what a fault is planted at: ${edit.text}`);
    }
    text = text.replace(edit.text, () => edit.instead);
  }
  return text;
}
