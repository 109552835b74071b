/** What the tests of approvals share: two gateways, and clients on their sockets, which are the operators'. */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Audit } from '../../../src/audit/index.ts';
import type { Config } from '../../../src/config/index.ts';
import { createJumpClock } from './jump-clock.ts';
import type { JumpClock } from './jump-clock.ts';
import { INITIALIZE, STDIO_SERVER, createWire, defer, startNode, until } from './gateways.ts';
import type { TestNode } from './gateways.ts';

export type Message = Record<string, unknown>;
type Params = Record<string, unknown>;

export const FORMS = { elicitation: {} };
export const ALL_WAIT = 'zones: { trusted: { approval_required: true } }';
export const MINUTE_MS = 60_000;

/** A client on a node's socket. */
export interface Attached {
  readonly heard: Message[];
  /** Forms that it was asked to show, without those that were taken back. */
  forms(): Message[];
  /** Ids of the forms that were taken back. */
  takenBack(): unknown[];
  answer(form: Message | undefined, result: unknown): void;
  send(message: object): void;
  /** As {@link send}, as it is. */
  sendRaw(line: string): void;
  /** Calls a tool. */
  start(id: number, name: string, args?: object, meta?: object): void;
  /** Calls a tool; the answer. */
  call(id: number, name: string, args?: object, meta?: object): Promise<Message>;
  progress(): Params[];
  end(): void;
}

export async function attach(
  node: TestNode,
  capabilities: object = {},
  as = 'operator',
): Promise<Attached> {
  const socket = connect(node.gateway.endpoints().socket);
  defer(() => socket.destroy());
  const heard: Message[] = [];
  createInterface({ input: socket }).on('line', (line) => heard.push(JSON.parse(line) as Message));
  const send = (message: object): void =>
    void socket.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  send({ id: 'as', method: 'starling/attach', params: { as } });
  await until(() => heard.length === 1);
  heard.length = 0;
  send({ ...INITIALIZE, params: { ...INITIALIZE.params, capabilities } });
  await until(() => heard.length === 1);
  send({ method: 'notifications/initialized' });
  const paramsOf = (message: Message): Params => (message['params'] ?? {}) as Params;
  const all = (method: string): Message[] => heard.filter((one) => one['method'] === method);
  const takenBack = (): unknown[] =>
    all('notifications/cancelled').map((one) => paramsOf(one)['requestId']);
  const start: Attached['start'] = (id, name, args = {}, meta = {}) =>
    send({ id, method: 'tools/call', params: { name, arguments: args, _meta: meta } });
  return {
    heard,
    forms: () => all('elicitation/create').filter((one) => !takenBack().includes(one['id'])),
    takenBack,
    send,
    sendRaw: (line) => void socket.write(`${line}\n`),
    answer: (form, result) => send({ id: form?.['id'], result }),
    start,
    async call(id, name, args, meta) {
      start(id, name, args, meta);
      const answer = (): Message | undefined =>
        heard.find((one) => one['id'] === id && one['method'] === undefined);
      await until(answer);
      return answer() ?? {};
    },
    progress: () => all('notifications/progress').map(paramsOf),
    end: () => void socket.end(),
  };
}

export interface Mesh {
  readonly alice: TestNode;
  readonly bob: TestNode;
  /** Calls tools of alice. */
  readonly caller: Attached;
  readonly clock: JumpClock;
}

/** Alice owns the server `files`; bob may call it, if a person agrees. */
export async function meshOf(
  policy = ALL_WAIT,
  limits: Partial<Config['limits']> = {},
  audit?: Audit,
): Promise<Mesh> {
  const wire = createWire();
  const clock = createJumpClock();
  const shared = { wire, clock, limits: { callTotalMs: 3_600_000, ...limits } };
  const files = { files: STDIO_SERVER };
  const kept = audit === undefined ? {} : { audit };
  const alice = await startNode('alice', { ...shared, ...kept, seed: 2, servers: files, policy });
  const bob = await startNode('bob', { ...shared, seed: 3 });
  alice.membership.set('bob', bob.peerId);
  bob.membership.set('alice', alice.peerId);
  await alice.grant(bob, 'files/*');
  return { alice, bob, caller: await attach(bob), clock };
}

export const ECHO = 'alice__files__echo';
export const pending = ({ approvals }: TestNode): number => approvals.list('pending').length;
