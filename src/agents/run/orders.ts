/** By whose word an agent that the node runs does what it does now, and what follows for its rights. */
import { isCount } from '../../core/index.ts';
import { keyOf, readTaint, worstTaint } from '../../guard/index.ts';
import type { Principal, Taint } from '../../guard/index.ts';
import type { UnderWay } from '../inbox/messages-under-way.ts';
import { NODE_SENDER, sendersIn } from '../inbox/sender.ts';
import type { AgentMessage } from '../types.ts';
import type { RunRow } from './rows.ts';

/** What the orders of an agent are known by. */
export interface OrdersComponents {
  /** Who is meant by a link of a sender; undefined for the operator, whom nothing narrows. */
  callerOf(link: string): Principal | undefined;
  /** Messages that are being dealt with, and who sent them; undefined before there is a mailbox. */
  underWay(): UnderWay | undefined;
}

/** Whose orders they are, and whether whoever gives them must have the rights, too. */
export interface OrdersInit extends Pick<RunRow, 'name' | 'owner' | 'tools'> {
  readonly ownRights: boolean;
}

/** Whom an agent that the node runs is for the guard: its name is no name of a client. */
export function runPrincipal(
  name: string,
  scopes: readonly string[],
  working: {
    readonly worksFor?: readonly Principal[];
    readonly hops?: number;
    readonly taint?: Taint;
  } = {},
): Extract<Principal, { kind: 'client' }> {
  const { worksFor = [], hops = 0, taint } = working;
  return {
    kind: 'client',
    name: `agent:${name}`,
    scopes,
    ...(worksFor.length === 0 ? {} : { worksFor }),
    ...(hops === 0 ? {} : { hops }),
    ...(taint === undefined ? {} : { taint }),
  };
}

/** The orders of one agent. */
export class Orders {
  readonly #components: OrdersComponents;
  readonly #init: OrdersInit;
  #working: { readonly key: string; readonly principal: ReturnType<typeof runPrincipal> };
  /** By whom it was asked to do what it does now. */
  #last: {
    readonly senders: ReadonlySet<string>;
    readonly hops: number;
    readonly taint?: Taint | undefined;
  } = { senders: new Set(), hops: 0 };
  /** What it was reminded of, and what it dealt with then. */
  #dealtWith: ReadonlySet<AgentMessage> = new Set();
  #heard: Taint | undefined;
  /** What was under way at the last look: nothing has to be looked at twice. */
  #looked: { readonly at: UnderWay; readonly changes: number } | undefined;

  constructor(components: OrdersComponents, init: OrdersInit) {
    this.#components = components;
    this.#init = init;
    this.#working = { key: '', principal: runPrincipal(init.name, init.tools) };
  }

  /**
   * Its own rights, and those of whom it works for: what it does needs both. What it does after an answer it does for
   * those whom it answered last: whoever wrote to it could have asked for just that.
   */
  principal(): ReturnType<typeof runPrincipal> {
    const { name, ownRights, tools } = this.#init;
    const senders = this.senders();
    const { hops } = this.#last;
    const taint = worstTaint(this.#last.taint, this.#heard);
    const principal = runPrincipal(name, tools, {
      ...(taint === undefined ? {} : { taint }),
      worksFor: ownRights ? [] : this.#withSpawner(senders),
      hops,
    });
    const key = JSON.stringify(principal);
    if (key !== this.#working.key) this.#working = { key, principal };
    return this.#working.principal;
  }

  /** It was reminded of what came from there: that counts until it has dealt with the messages of now. */
  heard(taint: Taint): void {
    this.#begins([...(this.#components.underWay()?.messages() ?? [])]);
    this.#heard = worstTaint(this.#heard, taint);
  }

  /** The least trusted zone that what it says now may be made of. */
  get taint(): Taint | undefined {
    this.#look();
    return worstTaint(this.#last.taint, this.#heard);
  }

  /** Those by whose word it does what it does now, also where it answers for itself. */
  senders(): readonly Principal[] {
    this.#look();
    // A sender may have lost its rights since, or be nobody any more.
    return [...this.#last.senders]
      .map((sender) => this.#components.callerOf(sender))
      .filter((one) => one !== undefined);
  }

  /** Takes note of what it deals with now. */
  #look(): void {
    const underWay = this.#components.underWay();
    if (underWay === undefined) return;
    if (this.#heard !== undefined) this.#begins([...underWay.messages()]);
    // Each answer asks this, and most messages under way came from the same ones.
    if (underWay === this.#looked?.at && underWay.changes === this.#looked.changes) return;
    this.#looked = { at: underWay, changes: underWay.changes };
    let hops = 0;
    let taint: Taint | undefined;
    for (const { metadata } of underWay.marked()) {
      const { hops: led, taint: said } = metadata;
      if (isCount(led)) hops = Math.max(hops, led);
      if (said !== undefined) taint = worstTaint(taint, readTaint(said));
    }
    const senders = new Set([...underWay.senders()].flatMap(sendersIn));
    senders.delete(NODE_SENDER);
    if (senders.size > 0) this.#last = { senders, hops: hops + 1, taint };
  }

  #begins(messages: readonly AgentMessage[]): void {
    if (messages.length === 0) return;
    const isNew = !messages.some((message) => this.#dealtWith.has(message));
    if (isNew) this.#heard = undefined;
    this.#dealtWith = new Set(messages);
  }

  /**
   * With a peer that has spawned it: how much that one may do here is not known when it is spawned, and is asked at each
   * call. Any other spawner's rights are in its own.
   */
  #withSpawner(senders: readonly Principal[]): readonly Principal[] {
    const { owner } = this.#init;
    const spawner = owner.startsWith('did:') ? this.#components.callerOf(owner) : undefined;
    if (spawner === undefined) return senders;
    const key = keyOf(spawner);
    return [spawner, ...senders.filter((sender) => keyOf(sender) !== key)];
  }
}
