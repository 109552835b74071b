/**
 * What the MCP server of the benchmark answers, wherever it runs. Tools: `echo` gives its message back, `bytes`
 * gives `size` bytes.
 */

const SIZE_MAX = 16 * 1024 * 1024;

interface Request {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: { readonly message?: string; readonly size?: number };
    readonly protocolVersion?: string;
  };
}

const TOOLS = JSON.stringify({
  tools: [
    {
      name: 'echo',
      description: 'Gives back its message.',
      inputSchema: { type: 'object', properties: { message: { type: 'string' } } },
      annotations: { readOnlyHint: true },
    },
    {
      name: 'bytes',
      description: 'Gives a text of `size` bytes.',
      inputSchema: { type: 'object', properties: { size: { type: 'integer' } } },
      annotations: { readOnlyHint: true },
    },
  ],
});

/** Results of `bytes` as JSON, by size: making one anew would cost more than sending it. */
const made = new Map<number, string>();

function resultOf({ method, params }: Request): string | undefined {
  switch (method) {
    case 'initialize':
      return JSON.stringify({
        protocolVersion: params?.protocolVersion ?? '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'bench-upstream', version: '1.0.0' },
      });
    case 'ping':
      return '{}';
    case 'tools/list':
      return TOOLS;
    case 'tools/call':
      return params?.name === 'bytes'
        ? bytes(params.arguments?.size ?? 0)
        : textResult(JSON.stringify(params?.arguments?.message ?? ''));
    default:
      return undefined;
  }
}

function bytes(size: number): string {
  const sizeBytes = Math.min(Math.max(0, size), SIZE_MAX);
  const known = made.get(sizeBytes) ?? textResult(`"${'x'.repeat(sizeBytes)}"`);
  made.set(sizeBytes, known);
  return known;
}

function textResult(json: string): string {
  return `{"content":[{"type":"text","text":${json}}]}`;
}

/** What answers one line, with its line feed; nothing for a notification. */
export function answer(line: string): string {
  const request = JSON.parse(line) as Request;
  if (request.id === undefined) return '';
  const id = JSON.stringify(request.id);
  const result = resultOf(request);
  return result === undefined
    ? `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"no such method"}}\n`
    : `{"jsonrpc":"2.0","id":${id},"result":${result}}\n`;
}
