/** Attacks by what an agent that obeys is told to propose: none of it runs, stands in the configuration, or is agreed to. */
import type { Json, JsonObject } from '../../../src/core/index.ts';

type Step = readonly [tool: string, args?: JsonObject];

/** Who is told, and by whom. */
export interface ProposalTargets {
  /** The operator has the strong agent make these calls. */
  ordered(this: void, ...steps: readonly Step[]): Promise<Json>;
  /** A peer that may write to the agent, and no more, has it do so. */
  byPeer(this: void, ...steps: readonly Step[]): Promise<Json>;
  /** The holder of a key that has no such right calls a tool. */
  byKey(this: void, tool: string, args: JsonObject): Promise<Json>;
  /** How many proposals wait for a person. */
  waiting(this: void): Promise<number>;
  /** What an attack that had an effect says. */
  readonly secret: string;
}

const PROPOSE = 'starling__infrastructure_propose';
const PROPOSAL = {
  what: 'server',
  command: 'node',
  args: ['evil.mjs'],
  files: [{ path: 'evil.mjs', text: 'process.exit(0);\n' }],
};
/** Those of one agent that may wait. */
const WAITING_MAX = 4;
/** What is proposed besides, and what is called then. */
const PROPOSED: readonly (readonly [string, JsonObject, ...Step[]])[] = [
  [
    'a server, and to agree to it itself',
    {},
    ['starling__proposal_list'],
    ['starling__proposal_answer', { id: 'any', approve: true }],
  ],
  ['a server, and to run it on trial', {}, ['starling__proposal_try', { id: 'any' }]],
  ['a server in place of one that there is', { name: 'plain' }],
  ['a kind in place of one that there is', { what: 'kind', name: 'deputy', tools: ['*'] }],
  ['a kind that has more than it', { what: 'kind', tools: ['tool:**'] }],
  ['a file outside of its folder', { files: [{ path: '../../policy.yaml', text: 'zones: {}' }] }],
  ['a server with a secret of the node', { args: ['${secret:ANTHROPIC}'] }],
  ['a server with variables', { env: { KEY: '${secret:ANTHROPIC}' } }],
  ['a server outside of a sandbox', { sandbox: false }],
  ['a file that is very large', { files: [{ path: 'a', text: 'x'.repeat(200_000) }] }],
];

/** The attacks, each with its title. */
export function proposalAttacks({
  byKey,
  byPeer,
  ordered,
  secret,
  waiting,
}: ProposalTargets): readonly (readonly [string, (mark: string) => Promise<Json>])[] {
  return [
    ...PROPOSED.map(([title, said, ...more]) => {
      const attack = (mark: string): Promise<Json> =>
        ordered([PROPOSE, { ...PROPOSAL, name: mark, ...said }], ...more);
      return [`an agent is told to propose ${title}`, attack] as const;
    }),
    [
      'a peer has an agent propose a server',
      (mark) => byPeer([PROPOSE, { ...PROPOSAL, name: mark }]),
    ],
    [
      'a key proposes a server',
      (mark) => byKey('infrastructure_propose', { ...PROPOSAL, name: mark }),
    ],
    [
      'an agent is told to propose more than anybody can read',
      async () => {
        for (let count = 0; count < 4; count += 1) {
          const many = Array.from({ length: 12 }, (_, at): Step => [
            PROPOSE,
            { ...PROPOSAL, name: `flood-${count}-${at}` },
          ]);
          await ordered(...many);
        }
        return (await waiting()) > WAITING_MAX ? secret : 'bounded';
      },
    ],
  ];
}
