"""Calls a tool of a node over HTTP, with nothing but Python: call.py <tool> ['{"argument": "value"}']

STARLING_KEY is a key of the node (starling key create script --scope 'tool:files/read_*'), STARLING_URL its
address (starling status; default: http://127.0.0.1:4100).
"""
import json, os, sys, urllib.error, urllib.request

url = os.environ.get("STARLING_URL", "http://127.0.0.1:4100")
key = os.environ.get("STARLING_KEY")
if not key or len(sys.argv) not in (2, 3):
    print(__doc__, file=sys.stderr)
    sys.exit(2)
tool, arguments = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{}"
headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
request = urllib.request.Request(f"{url}/mcp/tools/{tool}", arguments.encode(), headers)
try:
    with urllib.request.urlopen(request, timeout=60) as response:
        result = json.load(response)
except urllib.error.HTTPError as refused:
    sys.exit(f"{refused.code}: {json.load(refused)['error']['message']}")
except OSError as gone:
    sys.exit(f"no answer from {url}: {gone}")
for part in result["content"]:
    print(part.get("text", f"[{part['type']}]"))
sys.exit(1 if result.get("isError") else 0)
