/** A mesh of members with keys and the strong board `jobs`, for tests of its replicas. */
import type { Signer } from '../../../src/identity/index.ts';
import type { Board, StrongOutcome, StrongRequest } from '../../../src/blackboard/index.ts';
import { QUORUM_PROTOCOL, decodeReply, encodeAsk } from '../../../src/blackboard/quorum/format.ts';
import type { Ask, Reply } from '../../../src/blackboard/quorum/format.ts';
import type { Did } from '../../../src/core/index.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import { calm } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import type { JournalTable } from '../journal-table.ts';
import { keysOf } from '../keys.ts';
import { makeMember, makeMesh } from '../support.ts';
import type { Member, Mesh } from '../support.ts';

const MESSAGE_BYTES_MAX = 1024 * 1024;

/** Members by name, and the board that some of them keep. */
export class StrongMesh {
  readonly names: readonly string[];
  readonly mesh: Mesh;
  readonly #keys: ReturnType<typeof keysOf>;
  readonly #living = new Map<string, Member>();
  readonly #gone: Member[] = [];
  readonly #cut = new Set<string>();

  private constructor(names: readonly string[], mesh: Mesh, keys: ReturnType<typeof keysOf>) {
    this.names = names;
    this.mesh = mesh;
    this.#keys = keys;
    for (const member of mesh.members) this.#living.set(member.id, member);
  }

  /** All are connected; the first has made `jobs`, which `replicas` keep. */
  static async make(names: readonly string[], replicas: readonly string[]): Promise<StrongMesh> {
    const keys = keysOf(...names);
    const mesh = await makeMesh(names, {}, keys);
    const made = new StrongMesh(names, mesh, keys);
    mesh.connectAll();
    await calm();
    const jobs = await made.board(names[0] ?? '');
    await made.driven(jobs.create({ strong: replicas.map((name) => made.didOf(name)) }));
    await made.settle();
    return made;
  }

  didOf(name: string): Did {
    return this.#keys.get(name)?.did ?? ('' as Did);
  }

  signerOf(name: string): Signer {
    const found = this.#keys.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }

  member(name: string): Member {
    const found = this.#living.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }

  board(name: string): Promise<Board> {
    return this.member(name).blackboard.board('jobs');
  }

  /** Waits for work while time goes on. */
  async driven<T>(work: Promise<T>): Promise<T> {
    const state = { isOver: false };
    const watched = work.finally(() => {
      state.isOver = true;
    });
    watched.catch(() => undefined);
    for (let turns = 0; !state.isOver && turns < 6000; turns += 1) {
      await calm(4);
      if (!state.isOver) this.mesh.clock.advance(10);
    }
    return watched;
  }

  async settle(rounds = 4, stepMs = 3000): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      await calm();
      this.mesh.clock.advance(stepMs);
      await calm();
    }
  }

  async ask(
    name: string,
    key: string,
    request: StrongRequest,
    id?: string,
  ): Promise<StrongOutcome> {
    return this.driven((await this.board(name)).strong(key, { request, id }));
  }

  /** The code of the error that work ends with; `fine` where it does not. */
  async codeOf(work: Promise<unknown>): Promise<unknown> {
    return this.driven(work).then(
      () => 'fine',
      (error: unknown) => (error as { code: string }).code,
    );
  }

  cut(name: string): void {
    this.#cut.add(name);
    for (const other of this.names)
      if (other !== name) this.mesh.hub.cut(this.member(name).id, this.member(other).id);
  }

  heal(name: string): void {
    this.#cut.delete(name);
    for (const other of this.names) {
      if (other !== name && !this.#cut.has(other))
        this.mesh.hub.connect(this.member(name).id, this.member(other).id);
    }
  }

  /** Ends a member as kill -9 does, and starts it again from what is on its disk, or from another one. */
  async restart(name: string, strong?: JournalTable): Promise<void> {
    const before = this.member(name);
    const wasCut = this.#cut.has(name);
    this.cut(name);
    this.#gone.push(before);
    await this.driven(before.blackboard.stop());
    const { table, history } = before;
    const parts = { clock: this.mesh.clock, keys: this.#keys, table, history };
    const after = makeMember(this.mesh.hub, name, {
      ...parts,
      strong: strong ?? before.strong.at(before.strong.journal.length),
    });
    this.#living.set(name, after);
    await after.blackboard.start();
    if (!wasCut) this.heal(name);
    await calm();
  }

  /** As {@link StrongMesh.restart}, with an empty disk. */
  restartWithoutDisk(name: string): Promise<void> {
    return this.restart(name, journalTable());
  }

  /** Sends a question as no honest node does; undefined when there is no answer. */
  async say(
    from: string,
    to: string,
    { key = 'k', ask }: { readonly key?: string; readonly ask: Ask },
  ): Promise<Reply | undefined> {
    const { id } = await this.board(from);
    const signal = new AbortController().signal;
    const stream = await this.member(from).network.open(this.member(to).id, QUORUM_PROTOCOL, {
      signal,
    });
    const messages = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
    const heard: Reply[] = [];
    messages.onMessage((bytes) => {
      const message = decodeReply(bytes);
      if (message !== undefined) heard.push(message.reply);
    });
    messages.send(encodeAsk({ i: 1, board: id, key, ask }));
    await this.settle(1, 10);
    await messages.close().catch(() => undefined);
    return heard[0];
  }

  /** Keys in the rows of a replica. */
  rowsOf(name: string): readonly string[] {
    return [...this.member(name).strong.rows.keys()]
      .filter((row) => row.startsWith('row/'))
      .map((row) => row.slice(row.lastIndexOf('/') + 1));
  }

  async stop(): Promise<void> {
    const all = [...this.#living.values(), ...this.#gone];
    await Promise.all(all.map(({ blackboard }) => blackboard.stop()));
  }
}
