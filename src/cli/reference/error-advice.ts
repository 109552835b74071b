/** What each error code means, and what to do, for `docs/reference/errors.md`. */
import type { ErrorCode } from '../../core/errors.ts';

/** What happened, and what to do next. */
export interface Advice {
  readonly meaning: string;
  readonly next: string;
}

const advice = (meaning: string, next: string): Advice => ({ meaning, next });

/** One row a code. The message of an error says to what it happened, its hint the command that helps. */
export const ADVICE: Readonly<Record<ErrorCode, Advice>> = {
  STARLING_SERVICE_UNAVAILABLE: advice(
    'The service manager of this system is not there, does not answer, or refuses.',
    'Do what the hint says; `starling service install --print` shows what would be written.',
  ),
  STARLING_USAGE: advice(
    'Wrong arguments on the command line, or to a tool.',
    'See the `--help` of the command, or the schema of the tool.',
  ),
  STARLING_INTERRUPTED: advice(
    'Ctrl-C was pressed where a question waited for its answer; nothing was changed.',
    'Run the command again and answer.',
  ),
  STARLING_CONFIG_INVALID: advice(
    'The configuration has the problems that are listed, or a file of a client is not JSON.',
    'Correct each key that is named; [configuration](configuration.md) has their forms.',
  ),
  STARLING_STATE_LOCKED: advice(
    'Another node uses the state folder.',
    'Stop that node, or give this one a folder of its own with `--state`.',
  ),
  STARLING_STATE_UNUSABLE: advice(
    "The state folder, or a file in it, can't be read or written; or a later version of Starling has written it.",
    'Check who owns the folder, and the free space; `starling doctor` looks at both. Update Starling where the folder is of a later version.',
  ),
  STARLING_KEY_UNUSABLE: advice(
    'The key file is damaged or missing, or others can read it.',
    'Run `chmod 600` on it, or take it from a backup; without its key a node is a stranger.',
  ),
  STARLING_PASSPHRASE_MISSING: advice(
    "The node's key is encrypted, and nobody gives its passphrase.",
    'Start the node on a terminal, or set `STARLING_PASSPHRASE_FILE`.',
  ),
  STARLING_PASSPHRASE_WRONG: advice(
    'The passphrase does not open the key.',
    'Try again; nobody can recover it.',
  ),
  STARLING_PASSPHRASE_UNUSABLE: advice(
    "A passphrase is too short or too long, or its file can't be used.",
    'Choose another, or name a file that holds it on its one line.',
  ),
  STARLING_SECRET_MISSING: advice(
    'A server needs a secret that is not set.',
    'Set it: `starling secret set <name>`.',
  ),
  STARLING_SECRET_INVALID: advice(
    "A secret's name or value is out of bounds.",
    'Use A-Z, 0-9 and _ for the name, and a shorter value.',
  ),
  STARLING_KEY_RETIRED: advice(
    'The key was replaced by another one (`starling identity rotate`).',
    'Use the state folder with the new key; the old key is good for nothing any more.',
  ),
  STARLING_ID_MALFORMED: advice(
    'A PeerId, did:key, multiaddr or other identifier does not parse.',
    'Copy it again, whole; `starling status` and `starling peers` show them.',
  ),
  STARLING_LISTEN_FAILED: advice(
    "A port or address is taken, or not this machine's.",
    'Choose another with `--listen`, `--http-port` or `--tcp`; 0 picks a free one.',
  ),
  STARLING_NODE_UNREACHABLE: advice(
    'No node runs with this state folder, or it does not answer.',
    'Start one with `starling up`, or name its folder with `--state`.',
  ),
  STARLING_TICKET_INVALID: advice(
    'A ticket is damaged or forged.',
    'Copy it again, whole, or ask for another: `starling invite`.',
  ),
  STARLING_TICKET_EXPIRED: advice(
    "A ticket's time is over.",
    'Ask for another; `starling invite --expires 7d` makes one that lasts longer.',
  ),
  STARLING_TICKET_SPENT: advice(
    'A ticket was used before: each lets one node in.',
    'Ask for another: `starling invite`.',
  ),
  STARLING_MESH_MISMATCH: advice(
    "A ticket or address leads to another mesh than the node's own.",
    'Leave the mesh that it is in first (`starling leave`), or use a state folder of its own for each mesh.',
  ),
  STARLING_JOIN_REFUSED: advice(
    'The mesh did not let the node in.',
    'The reason is in the message; a new ticket helps where an invite was used or revoked.',
  ),
  STARLING_MEMBERSHIP_ENDED: advice(
    'Somebody put this node, or who let it in, out of the mesh; the message says who and when.',
    'Ask a member for a new ticket and start with `starling up --join <ticket>`, or go without them: `starling leave`.',
  ),
  STARLING_VERSION_UNSUPPORTED: advice(
    'The two nodes speak different versions of the protocol.',
    'Update the older one; `starling --version` shows which that is.',
  ),
  STARLING_PEER_UNKNOWN: advice(
    'No peer has this name.',
    'See `starling peers`: its first column has the names.',
  ),
  STARLING_PEER_AMBIGUOUS: advice(
    'More than one peer goes by that name.',
    'Say which by its id, or give one another name: `starling peers rename <id> <name>`.',
  ),
  STARLING_PEER_UNREACHABLE: advice(
    "A peer can't be reached now, or went away during a call.",
    'Try again; see its state with `starling peers`.',
  ),
  STARLING_PROTOCOL_VIOLATION: advice(
    'Somebody sent what the protocol does not allow.',
    'See that both sides are of one version; the log of the node says what was sent.',
  ),
  STARLING_LIMIT_EXCEEDED: advice(
    'A message or a count is over the limit that is named.',
    'Ask for less, or raise the limit on the node that has it; [limits](limits.md) lists them.',
  ),
  STARLING_RATE_LIMITED: advice(
    'A caller sends more requests a second than it may.',
    'Wait as long as `retryAfterMs` says, or raise `limits.requestsPerSecond`.',
  ),
  STARLING_TIMEOUT: advice(
    'No answer came in time.',
    'Try again, or allow more: `timeout` of the server where that runs, and `limits.callTimeoutMs` of each node on the way. `starling call --timeout` only shortens the wait.',
  ),
  STARLING_GRANT_MALFORMED: advice(
    'A grant does not parse, or breaks the format.',
    'Copy it again, whole: `starling grant export <id>`.',
  ),
  STARLING_GRANT_INVALID: advice(
    'A grant, or one that it stands on, does not hold.',
    '`starling grant verify` says which rule fails.',
  ),
  STARLING_GRANT_UNKNOWN: advice('No grant has this id.', 'See `starling grant list`.'),
  STARLING_CALL_REFUSED: advice(
    'No grant covers the call, or the policy or an approval says no.',
    'The hint says which grant would cover it; its owner runs `starling grant create`.',
  ),
  STARLING_APPROVAL_UNKNOWN: advice('No approval has this id.', 'See `starling approvals --all`.'),
  STARLING_APPROVAL_CLOSED: advice(
    'An approval was answered already, or withdrawn, or its time is over.',
    'Let the call be made again.',
  ),
  STARLING_PROPOSAL_UNKNOWN: advice(
    'No proposal of an agent has this id.',
    'See `starling proposals --all`.',
  ),
  STARLING_PROPOSAL_REFUSED: advice(
    'A proposal was answered, replaced or has expired (`closed`), is not the one that was shown (`changed`), has not passed a trial (`untried`), or there is no sandbox for one (`sandbox`).',
    'Look at it again: `starling proposals show <id>`.',
  ),
  STARLING_TOOL_UNKNOWN: advice(
    'No tool has this name, or none that the caller may see.',
    'See `starling tools`.',
  ),
  STARLING_TOOL_QUARANTINED: advice(
    'A tool is not as it was pinned, or was never approved.',
    '`starling pin list` shows the difference, `starling pin approve` accepts it.',
  ),
  STARLING_UPSTREAM_UNAVAILABLE: advice(
    'An MCP server could not start, has ended, does not answer, or wants a login.',
    'See `starling status`; where a login is needed: `starling mcp login <server>`.',
  ),
  STARLING_UPSTREAM_INVALID: advice(
    'An MCP server broke the protocol.',
    'Update that server, or tell its authors; the log says what it sent.',
  ),
  STARLING_AGENT_UNKNOWN: advice(
    'There is no agent of that name here, or none that the caller may see.',
    'See which there are: `starling agent list`; its owner grants the right to write: `starling grant create <peer> --agent <name>`.',
  ),
  STARLING_AGENT_TAKEN: advice(
    "The agent's name belongs to another program.",
    'Take another name, or have its owner or the operator retire it: `starling agent retire <name>`.',
  ),
  STARLING_AGENT_FAILED: advice(
    'The agent gave no answer in time, was stopped, or could not do what was asked.',
    'See how it is: `starling agent info <name>`; `data.reason` is `timeout`, `stopped`, `failed`, `full`, `ended` or `late`.',
  ),
  STARLING_TASK_UNKNOWN: advice(
    'There is no task of that id, or none that the caller may see; `data.taskId` names it.',
    'See `starling task list`; a task that has ended is kept until a thousand others have.',
  ),
  STARLING_CONTEXT_UNKNOWN: advice(
    'There is no conversation of that id here, or it was deleted, or its owner shows it to this node no more.',
    'See `starling context list`.',
  ),
  STARLING_TASK_ENDED: advice(
    'The task has ended and can not be cancelled, or has not ended badly and can not be tried again.',
    'See `starling task info <id>`.',
  ),
  STARLING_BUDGET_UNKNOWN: advice(
    'There is no budget of that name or id, or its founder has not let this node hold rights of it.',
    'See `starling budget list`; its founder lets a node in: `starling budget grant <name> <peer>`.',
  ),
  STARLING_BUDGET_EXHAUSTED: advice(
    'What is left of a budget on this node is less than the call may cost; `data.left` and `data.wanted` say how much.',
    'Ask the others for rights: `starling budget request <name> <amount>`, or see who has them: `starling budget show <name>`.',
  ),
  STARLING_BUDGET_CLOSED: advice(
    'Whoever made the budget has closed it.',
    'Make another: `starling budget create <name> --limit <amount>`.',
  ),
  STARLING_SWARM_UNKNOWN: advice(
    'There is no swarm of that id or name, or none that the caller may see; `data.swarmId` names it.',
    'See `starling swarm list`.',
  ),
  STARLING_SWARM_REFUSED: advice(
    'The swarm does not take what was asked of it: `data.reason` says in a word why, like `full`, `owner`, `not_invited` or `dissolved`, and `data.agentId` about whom.',
    'See `starling swarm status <swarm>`.',
  ),
  STARLING_SWARM_BUSY: advice(
    'A thousand operations of the swarm are under way at this node; `data.duration` says after how many ms to come again.',
    'Ask again when some have ended.',
  ),
  STARLING_MODEL_UNKNOWN: advice(
    'There is no such model, or none that this caller may use; or its provider has none of that name.',
    '`GET /v1/models` of the HTTP endpoint lists those that there are.',
  ),
  STARLING_BATCH_UNKNOWN: advice(
    'No batch of the caller has this id.',
    'See `starling llm batch list`; answers are kept for 30 days.',
  ),
  STARLING_BATCH_REFUSED: advice(
    'A batch is not over yet, so that it has no answers, or is over and can not be stopped.',
    'Wait, see `starling llm batch list`; `starling llm batch cancel <id> --forget` forgets one that is over.',
  ),
  STARLING_MODEL_UNSUPPORTED: advice(
    "The model's provider can't do what was asked, or its API has no word for a field of the request.",
    'Leave the field out that is named, or choose a model whose provider has it.',
  ),
  STARLING_MODEL_REJECTED: advice(
    "The model's provider does not take the request; its own words are in the message.",
    'Change what they name.',
  ),
  STARLING_MODEL_CONTEXT: advice(
    'The request is longer than what the model can read at once.',
    'Send less, or choose a model with a longer context.',
  ),
  STARLING_MODEL_KEY_REFUSED: advice(
    'A provider of models does not take the key or the access token that this node has for it, or its token endpoint gives none.',
    'Set the key anew: `starling secret set <name>`, or name another in `models.providers.<name>.keyFrom`; for access tokens see `models.providers.<name>.oauth`.',
  ),
  STARLING_MODEL_OVERLOADED: advice(
    'A provider of models has too much to do.',
    'Try again later, or use another model.',
  ),
  STARLING_MODEL_FAILED: advice(
    "A provider of models failed, or can't be reached.",
    'See that it runs, or use another model.',
  ),
  STARLING_MODEL_CUT: advice(
    'The answer of a provider of models broke off before its end; what came before is all there is.',
    'Try again.',
  ),
  STARLING_MODEL_INVALID: advice(
    'What a provider of models answered is none of its API: another content type, a malformed stream, another place.',
    'See that `models.providers.<name>.endpoint` is the base of its API.',
  ),
  STARLING_BOARD_INVALID: advice(
    "A board's name, key or value is out of bounds, or the board is not of the kind for what was asked.",
    'See `starling board info <board>`; values are JSON of at most 256 KiB.',
  ),
  STARLING_ENTRY_UNKNOWN: advice(
    'The board has no entry under this key.',
    'See what it has: `starling board list <board>`.',
  ),
  STARLING_BOARD_UNKNOWN: advice(
    'There is no board of this name: nobody created it, and it holds no entry.',
    'See `starling board list`, or make it: `starling board create <board>`, or `board set --create`.',
  ),
  STARLING_BOARD_REFUSED: advice(
    'The board is not open, and the node or the client has no right on it for that.',
    'Ask its creator, whom `starling board info <board>` names, or for a client the operator: `starling board grant`.',
  ),
  STARLING_BOARD_CONFLICT: advice(
    'An entry can not be undone: somebody wrote it since, or what it was before is not known.',
    'See `starling board history <board> <key>`, and write what you want.',
  ),
  STARLING_BOARD_BEHIND: advice(
    'This node has not seen of a board what you have seen at another, and did not within two seconds.',
    'Try again, ask the other node, or leave the token out.',
  ),
  STARLING_NO_QUORUM: advice(
    'Fewer than half of the replicas of a strong board answer. Nothing has changed.',
    'See who is away: `starling peers`; try again when more than half are there.',
  ),
  STARLING_OUTCOME_UNKNOWN: advice(
    'A change of a strong board may have been made or not: it was proposed, and too few replicas answered in time.',
    'Try the same again with the request id that the error gives: that learns the outcome, and makes the change once and only once.',
  ),
  STARLING_AUDIT_UNAVAILABLE: advice(
    "The audit log can't be written, so calls are refused.",
    'See whether the disk is full; the node goes on by itself when it can write again.',
  ),
  STARLING_UNAUTHORIZED: advice(
    'A token is missing or wrong, or Host, Origin or address is not allowed.',
    'Send the token of `<state folder>/token` or a key; see `http.allowedHosts` and the keys beside it.',
  ),
  STARLING_STOPPED: advice('The node is not running, yet or any more.', 'Try again when it runs.'),
};
