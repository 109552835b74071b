/**
 * The definitions of the three tools that stand for a whole list, as `tools/list` gives them. Written out
 * as JSON Schema: they are read on the way of every call in search mode, where no schema library belongs.
 */
import type { ListedTool } from '../../../directory/index.ts';

/** What a caller in search mode is listed in place of all tools. */
export type MetaToolName = 'search_tools' | 'describe_tools' | 'call_tool';

/** Hits of a search where the caller does not say how many. */
export const HITS_DEFAULT = 10;
export const HITS_MAX = 50;
/** Tools that are described at one time. */
export const DESCRIBED_MAX = 20;
/** Longest name of a tool, and longest query. */
export const NAME_LENGTH_MAX = 128;
export const QUERY_LENGTH_MAX = 512;

/** The definitions of the meta tools. */
export const META_TOOLS: readonly ListedTool[] = [
  {
    name: 'search_tools',
    title: 'Search tools',
    description:
      'Finds tools by what they do. Only these three tools are listed here; all others are found with this one, described by describe_tools, and called with call_tool.',
    inputSchema: {
      type: 'object',
      properties: {
        query: {
          type: 'string',
          maxLength: QUERY_LENGTH_MAX,
          description:
            'What the tool should do, in a few words, e.g. "read file". Empty lists the first.',
        },
        limit: {
          description: `How many at most; default ${HITS_DEFAULT}.`,
          type: 'integer',
          minimum: 1,
          maximum: HITS_MAX,
        },
      },
      required: ['query'],
      additionalProperties: false,
    },
    outputSchema: {
      type: 'object',
      properties: {
        tools: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              name: {
                type: 'string',
              },
              description: {
                type: 'string',
              },
              score: {
                type: 'number',
              },
            },
            required: ['name', 'description', 'score'],
            additionalProperties: false,
          },
        },
        total: {
          type: 'integer',
          minimum: Number.MIN_SAFE_INTEGER,
          maximum: Number.MAX_SAFE_INTEGER,
          description: 'How many tools there are in all.',
        },
      },
      required: ['tools', 'total'],
      additionalProperties: false,
    },
    annotations: {
      readOnlyHint: true,
      openWorldHint: false,
    },
  },
  {
    name: 'describe_tools',
    title: 'Describe tools',
    description:
      'Gives the full definitions of tools, input schemas included. Use it before call_tool.',
    inputSchema: {
      type: 'object',
      properties: {
        names: {
          minItems: 1,
          maxItems: DESCRIBED_MAX,
          type: 'array',
          items: {
            type: 'string',
            minLength: 1,
            maxLength: NAME_LENGTH_MAX,
          },
          description: 'Names as search_tools gave them.',
        },
      },
      required: ['names'],
      additionalProperties: false,
    },
    outputSchema: {
      type: 'object',
      properties: {
        tools: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              name: {
                type: 'string',
              },
            },
            required: ['name'],
            additionalProperties: {},
          },
          description: 'Full definitions.',
        },
        unknown: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              name: {
                type: 'string',
              },
              didYouMean: {
                type: 'array',
                items: {
                  type: 'string',
                },
              },
            },
            required: ['name', 'didYouMean'],
            additionalProperties: false,
          },
        },
      },
      required: ['tools', 'unknown'],
      additionalProperties: false,
    },
    annotations: {
      readOnlyHint: true,
      openWorldHint: false,
    },
  },
  {
    name: 'call_tool',
    title: 'Call a tool',
    description: 'Calls a tool that search_tools found. The result is the one that the tool gives.',
    inputSchema: {
      type: 'object',
      properties: {
        name: {
          type: 'string',
          minLength: 1,
          maxLength: NAME_LENGTH_MAX,
          description: 'Name as search_tools gave it.',
        },
        arguments: {
          description: "Arguments by the tool's inputSchema, which describe_tools gives.",
          type: 'object',
          propertyNames: {
            type: 'string',
          },
          additionalProperties: {},
        },
      },
      required: ['name'],
      additionalProperties: false,
    },
  },
];
