/** Names of things as people copy them from lists, where a grant is handed on. */
import { expect, it } from 'vitest';
import { asGrantsWrite, withoutOwner } from '../../../src/builtin/grants/grant-names.ts';
import type { OfferView } from '../../../src/builtin/grants/grant-remarks.ts';

it('what is handed on may have the name of its owner before it, as lists show it', () => {
  const typed = {
    tools: ['desk/files/read', 'desk__files__read', 'files/read'],
    prompts: ['desk__git__sum'],
    resources: ['desk/files/file:///srv/**'],
    servers: ['desk/files', 'files'],
  };
  expect(withoutOwner(typed, 'desk', ['files'])).toEqual({
    tools: ['files/read', 'files/read', 'files/read'],
    prompts: ['git/sum'],
    resources: ['files/file:///srv/**'],
    servers: ['files', 'files'],
  });
});

it('a server that is called as its node is no node', () => {
  const typed = { tools: ['desk/files/read'] };
  expect(withoutOwner(typed, 'desk', ['desk'])).toBe(typed);
  expect(withoutOwner(typed, undefined, [])).toBe(typed);
});

/** A server as the gateway has it: an object whose methods need it. */
class Server {
  readonly #names: readonly string[];

  readonly server: string;

  constructor(server: string, names: readonly string[]) {
    this.server = server;
    this.#names = names;
  }

  catalog() {
    return { tools: this.#names.map((name) => ({ name })), prompts: [], resources: [] };
  }
}

const servers = [new Server('mem', ['read_graph', 'search']), new Server('web', ['search'])];
const here = {
  offers: { all: () => servers as unknown as ReturnType<OfferView['all']> },
  selves: ['desk'],
  isPeer: (name: string) => name === 'laptop',
};
const written = (tool: string): unknown => asGrantsWrite({ tools: [tool] }, here).tools;

it.each([
  ['mem__read_graph', 'mem/read_graph'],
  ['desk__mem__read_graph', 'mem/read_graph'],
  ['desk/mem/read_graph', 'mem/read_graph'],
  ['mem/*', 'mem/*'],
  ['nobody__knows', 'nobody__knows'],
])('%s is granted as %s', (typed, grant) => {
  expect(written(typed)).toEqual([grant]);
});

it('a tool without its server is asked back for, with where there is one', () => {
  const refused = (hint: string): unknown =>
    expect.objectContaining({ code: 'STARLING_USAGE', hint });
  expect(() => written('read_graph')).toThrow(refused('did you mean mem/read_graph?'));
  expect(() => written('search')).toThrow(refused('did you mean mem/search or web/search?'));
});
