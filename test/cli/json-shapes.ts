/** The shapes of what the commands print with `--json`; see `json-shapes.test.ts`. */

/** A type as a word; of an object the shape of each key, of a list the different shapes in it. */
export type Shape = string | readonly Shape[] | { readonly [key: string]: Shape };

/** By the words of the command. A change here is one that scripts will notice. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  '(an error)': {
    error: {
      code: 'string',
      hint: 'string',
      message: 'string',
    },
  },
  approvals: {
    approvals: [
      {
        ability: 'string',
        args: 'string',
        askedAt: 'number',
        expiresAt: 'number',
        id: 'string',
        kind: 'string',
        resource: 'string',
        rule: 'string',
        state: 'string',
        who: 'string',
      },
    ],
  },
  'approvals approve': {
    approval: {
      ability: 'string',
      answeredAt: 'number',
      answeredBy: 'string',
      args: 'string',
      askedAt: 'number',
      expiresAt: 'number',
      id: 'string',
      kind: 'string',
      reason: 'string',
      resource: 'string',
      rule: 'string',
      state: 'string',
      who: 'string',
    },
  },
  'approvals deny': {
    approval: {
      ability: 'string',
      answeredAt: 'number',
      answeredBy: 'string',
      args: 'string',
      askedAt: 'number',
      expiresAt: 'number',
      id: 'string',
      kind: 'string',
      reason: 'string',
      resource: 'string',
      rule: 'string',
      state: 'string',
      who: 'string',
    },
  },
  'audit export': [
    {
      'args?': 'string',
      at: 'number',
      'durationMs?': 'number',
      'grant?': 'string',
      kind: 'string',
      'of?': 'number',
      outcome: 'string',
      prev: 'string',
      'reason?': 'string',
      seq: 'number',
      what: {
        ability: 'string',
        resource: 'string',
      },
      who: 'string',
    },
  ],
  'audit query': {
    entries: [
      {
        'args?': 'string',
        at: 'number',
        'durationMs?': 'number',
        'grant?': 'string',
        kind: 'string',
        'of?': 'number',
        outcome: 'string',
        prev: 'string',
        'reason?': 'string',
        seq: 'number',
        what: {
          ability: 'string',
          resource: 'string',
        },
        who: 'string',
      },
    ],
  },
  'audit tail': {
    at: 'number',
    kind: 'string',
    outcome: 'string',
    prev: 'string',
    reason: 'string',
    seq: 'number',
    what: {
      ability: 'string',
      resource: 'string',
    },
    who: 'string',
  },
  'audit verify': {
    entries: 'number',
    findings: [],
    ok: 'boolean',
    removedThrough: 'number',
    segments: 'number',
    tooOld: 'number',
    unsigned: 'number',
    witnesses: [
      {
        answered: 'boolean',
        differs: [],
        peer: 'string',
        peerId: 'string',
        seen: 'number',
        upTo: 'number',
      },
    ],
  },
  'board delete': {
    deleted: 'boolean',
  },
  'board get': {
    at: 'number',
    by: 'string',
    key: 'string',
    value: 'string',
  },
  'board list': {
    digest: 'string',
    entries: [
      {
        at: 'number',
        by: 'string',
        key: 'string',
        value: 'string',
      },
    ],
  },
  'board set': {
    entry: {
      at: 'number',
      by: 'string',
      key: 'string',
      value: 'string',
    },
  },
  'board watch': {
    entry: {
      at: 'number',
      by: 'string',
      key: 'string',
      value: 'number',
    },
    key: 'string',
  },
  call: {
    content: [
      {
        text: 'string',
        type: 'string',
      },
    ],
  },
  connect: {
    backup: 'string',
    changed: 'boolean',
    client: 'string',
    diff: ['string'],
    file: 'string',
  },
  doctor: {
    findings: [
      {
        check: 'string',
        result: 'string',
        text: 'string',
      },
    ],
  },
  'grant create': {
    grant: {
      capabilities: [
        {
          ability: 'string',
          caveats: {
            args: {
              a: {
                enum: ['string'],
              },
            },
            rate: {
              burst: 'number',
              per_s: 'number',
            },
            uses: 'number',
          },
          resource: 'string',
        },
      ],
      did: 'string',
      direction: 'string',
      expiresAt: 'number',
      id: 'string',
      issuedAt: 'number',
      renewed: 'boolean',
      state: 'string',
      taken: [
        {
          capability: 'number',
          uses: 'number',
        },
      ],
      with: 'string',
    },
    jws: 'string',
  },
  'grant delegate': {
    grant: {
      capabilities: [
        {
          ability: 'string',
          caveats: {
            args: {
              a: {
                enum: ['string'],
              },
            },
            rate: {
              burst: 'number',
              per_s: 'number',
            },
            uses: 'number',
          },
          resource: 'string',
        },
      ],
      did: 'string',
      direction: 'string',
      expiresAt: 'number',
      id: 'string',
      issuedAt: 'number',
      renewed: 'boolean',
      state: 'string',
      with: 'string',
    },
    jws: 'string',
  },
  'grant export': {
    grant: {
      capabilities: [
        {
          ability: 'string',
          caveats: {
            args: {
              a: {
                enum: ['string'],
              },
            },
            rate: {
              burst: 'number',
              per_s: 'number',
            },
            uses: 'number',
          },
          resource: 'string',
        },
      ],
      did: 'string',
      direction: 'string',
      expiresAt: 'number',
      id: 'string',
      issuedAt: 'number',
      renewed: 'boolean',
      state: 'string',
      taken: [
        {
          capability: 'number',
          uses: 'number',
        },
      ],
      with: 'string',
    },
    tokens: ['string'],
  },
  'grant import': {
    imported: [
      {
        capabilities: [
          {
            ability: 'string',
            caveats: {
              args: {
                a: {
                  enum: ['string'],
                },
              },
              rate: {
                burst: 'number',
                per_s: 'number',
              },
              uses: 'number',
            },
            resource: 'string',
          },
        ],
        did: 'string',
        direction: 'string',
        expiresAt: 'number',
        id: 'string',
        issuedAt: 'number',
        renewed: 'boolean',
        state: 'string',
        with: 'string',
      },
    ],
    refused: [],
  },
  'grant list': {
    grants: [
      {
        capabilities: [
          {
            ability: 'string',
            'caveats?': {
              args: {
                a: {
                  enum: ['string'],
                },
              },
              rate: {
                burst: 'number',
                per_s: 'number',
              },
              uses: 'number',
            },
            resource: 'string',
          },
        ],
        did: 'string',
        direction: 'string',
        expiresAt: 'number',
        id: 'string',
        issuedAt: 'number',
        renewed: 'boolean',
        state: 'string',
        'taken?': [
          {
            capability: 'number',
            uses: 'number',
          },
        ],
        'ticket?': 'string',
        with: 'string',
      },
    ],
  },
  'grant revoke': {
    revoked: [
      {
        capabilities: [
          {
            ability: 'string',
            caveats: {
              args: {
                a: {
                  enum: ['string'],
                },
              },
              rate: {
                burst: 'number',
                per_s: 'number',
              },
              uses: 'number',
            },
            resource: 'string',
          },
        ],
        did: 'string',
        direction: 'string',
        expiresAt: 'number',
        id: 'string',
        issuedAt: 'number',
        renewed: 'boolean',
        state: 'string',
        taken: [
          {
            capability: 'number',
            uses: 'number',
          },
        ],
        with: 'string',
      },
    ],
  },
  'grant show': {
    grant: {
      capabilities: [
        {
          ability: 'string',
          caveats: {
            args: {
              a: {
                enum: ['string'],
              },
            },
            rate: {
              burst: 'number',
              per_s: 'number',
            },
            uses: 'number',
          },
          resource: 'string',
        },
      ],
      did: 'string',
      direction: 'string',
      expiresAt: 'number',
      id: 'string',
      issuedAt: 'number',
      renewed: 'boolean',
      state: 'string',
      taken: [
        {
          capability: 'number',
          uses: 'number',
        },
      ],
      with: 'string',
    },
    holder: 'string',
    links: [
      {
        allows: ['string'],
        audience: 'string',
        endsAt: 'number',
        handsMax: 'number',
        hash: 'string',
        id: 'string',
        issuer: 'string',
        narrows: [],
        parents: [],
      },
    ],
    names: {
      '<name>': 'string',
    },
    owner: 'string',
    valid: 'boolean',
  },
  'grant verify': {
    chains: [
      {
        holder: 'string',
        links: [
          {
            allows: ['string'],
            audience: 'string',
            endsAt: 'number',
            handsMax: 'number',
            hash: 'string',
            id: 'string',
            issuer: 'string',
            narrows: [],
            parents: [],
          },
        ],
        owner: 'string',
        valid: 'boolean',
      },
    ],
    refused: [],
    valid: 'boolean',
  },
  'identity decrypt': {
    changed: 'boolean',
    encrypted: 'boolean',
    path: 'string',
    peerId: 'string',
  },
  'identity encrypt': {
    changed: 'boolean',
    encrypted: 'boolean',
    path: 'string',
    peerId: 'string',
  },
  'identity rotate': {
    before: {
      did: 'string',
      peerId: 'string',
    },
    grants: 'number',
    left: ['string'],
    memberships: 'number',
    now: {
      did: 'string',
      peerId: 'string',
    },
    peers: [],
    tickets: 'number',
  },
  'identity show': {
    did: 'string',
    encrypted: 'boolean',
    path: 'string',
    peerId: 'string',
  },
  invite: {
    expiresAt: 'number',
    fingerprint: 'string',
    mesh: 'string',
    ticket: 'string',
  },
  'key create': {
    info: {
      createdAt: 'number',
      expiresAt: 'number',
      id: 'string',
      name: 'string',
      scopes: ['string'],
      state: 'string',
    },
    key: 'string',
  },
  'key list': {
    keys: [
      {
        createdAt: 'number',
        expiresAt: 'number',
        id: 'string',
        name: 'string',
        scopes: ['string'],
        state: 'string',
      },
    ],
  },
  'key revoke': {
    revoked: {
      createdAt: 'number',
      expiresAt: 'number',
      id: 'string',
      name: 'string',
      scopes: ['string'],
      state: 'string',
    },
  },
  'mcp add': {
    disabled: 'boolean',
    file: 'string',
    headers: ['string'],
    kind: 'string',
    name: 'string',
    node: 'string',
    replaced: 'boolean',
    unset: [],
    url: 'string',
  },
  'mcp import': {
    file: 'string',
    imported: ['string'],
    node: 'string',
    skipped: [
      {
        file: 'string',
        name: 'string',
        reason: 'string',
      },
    ],
  },
  'mcp list': {
    file: 'string',
    others: ['string'],
    servers: [
      {
        'args?': ['string'],
        'command?': 'string',
        disabled: 'boolean',
        'headers?': ['string'],
        kind: 'string',
        name: 'string',
        'url?': 'string',
      },
    ],
  },
  'mcp login': {
    server: 'string',
    state: 'string',
  },
  'mcp logout': {
    loggedOut: 'boolean',
    server: 'string',
  },
  'mcp remove': {
    file: 'string',
    name: 'string',
    node: 'string',
  },
  peers: {
    peers: [
      {
        address: 'string',
        alias: 'string',
        did: 'string',
        lastHeartbeatAt: 'number',
        peerId: 'string',
        presence: {
          addresses: ['string'],
          boards: {},
          catalog: 'string',
          load: 'number',
          name: 'string',
          version: 'string',
        },
        route: 'string',
        startedAt: 'number',
        state: 'string',
      },
    ],
  },
  'pin approve': {
    approved: [
      {
        flags: [
          {
            character: 'string',
            count: 'number',
            kind: 'string',
            where: 'string',
          },
        ],
        kind: 'string',
        name: 'string',
        reason: 'string',
        reference: 'string',
        server: 'string',
        since: 'number',
      },
    ],
  },
  'pin list': {
    pinned: 'number',
    quarantined: [
      {
        difference: ['string'],
        flags: [
          {
            character: 'string',
            count: 'number',
            kind: 'string',
            where: 'string',
          },
        ],
        kind: 'string',
        name: 'string',
        reason: 'string',
        reference: 'string',
        server: 'string',
        since: 'number',
      },
    ],
  },
  'policy check': {
    changes: [],
    exists: 'boolean',
    file: 'string',
    ok: 'boolean',
  },
  'policy explain': {
    ability: 'string',
    answer: 'string',
    hint: 'string',
    reason: 'string',
    resource: 'string',
    steps: [
      {
        outcome: 'string',
        rule: 'string',
        text: 'string',
      },
    ],
    who: 'string',
  },
  'secret list': {
    secrets: [
      {
        name: 'string',
        setAt: 'number',
        usedBy: [],
      },
    ],
  },
  'secret remove': {
    name: 'string',
    removed: 'boolean',
    usedBy: [],
  },
  'secret set': {
    name: 'string',
    replaced: 'boolean',
    running: [],
    usedBy: [],
  },
  status: {
    addresses: ['string'],
    boards: ['string'],
    did: 'string',
    endpoints: {
      socket: 'string',
      tokenFile: 'string',
      url: 'string',
    },
    mesh: {
      fingerprint: 'string',
      id: 'string',
      name: 'string',
      open: 'boolean',
    },
    name: 'string',
    peerId: 'string',
    peers: {
      alive: 'number',
      dead: 'number',
      left: 'number',
      suspect: 'number',
    },
    pid: 'number',
    routingTable: 'number',
    sessions: {
      http: 'number',
      peer: 'number',
      socket: 'number',
      tcp: 'number',
    },
    startedAt: 'number',
    stateDir: 'string',
    upstreams: [
      {
        instances: 'number',
        kind: 'string',
        'pid?': 'number',
        prompts: 'number',
        resources: 'number',
        server: 'string',
        'serverInfo?': 'string',
        state: 'string',
        tools: 'number',
      },
    ],
    version: 'string',
    warnings: [],
  },
  tools: {
    tools: [
      {
        annotations: {
          openWorldHint: 'boolean',
          readOnlyHint: 'boolean',
        },
        description: 'string',
        inputSchema: {
          additionalProperties: 'boolean',
          properties: {
            board: {
              description: 'string',
              type: 'string',
            },
            key: {
              description: 'string',
              type: 'string',
            },
          },
          required: ['string'],
          type: 'string',
        },
        name: 'string',
        title: 'string',
      },
    ],
  },
  up: {
    addresses: ['string'],
    boards: [],
    did: 'string',
    endpoints: {
      socket: 'string',
      tokenFile: 'string',
    },
    event: 'string',
    mesh: {
      fingerprint: 'string',
      id: 'string',
      name: 'string',
      open: 'boolean',
    },
    name: 'string',
    peerId: 'string',
    peers: {
      alive: 'number',
      dead: 'number',
      left: 'number',
      suspect: 'number',
    },
    pid: 'number',
    routingTable: 'number',
    sessions: {
      http: 'number',
      peer: 'number',
      socket: 'number',
      tcp: 'number',
    },
    startedAt: 'number',
    stateDir: 'string',
    ticket: 'string',
    upstreams: [
      {
        instances: 'number',
        kind: 'string',
        prompts: 'number',
        resources: 'number',
        server: 'string',
        state: 'string',
        tools: 'number',
      },
    ],
    version: 'string',
    warnings: [],
  },
};
