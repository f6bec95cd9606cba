import type { Api } from '../fastify.ts'
import { inlineScriptHashes } from './console.ts'

const always = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

function policy(scripts: string, connect: string): string {
  return [
    "default-src 'self'",
    `script-src ${scripts}`,
    // The console's components and the reference set styles on elements.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    `connect-src ${connect}`,
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** Tells browsers to load nothing from elsewhere, and to let nobody frame us. */
export function addSecurityHeaders(api: Api, consoleDirectory: string | undefined): void {
  const console = policy(["'self'", ...inlineScriptHashes(consoleDirectory)].join(' '), "'self'")
  // The reference starts itself by a script in its page, which holds nothing that others wrote.
  const reference = policy("'self' 'unsafe-inline'", "'self'")
  api.addHook('onRequest', async (request, reply) => {
    const isReference = request.url === '/docs' || request.url.startsWith('/docs/')
    reply.headers({ ...always, 'content-security-policy': isReference ? reference : console })
    if (request.url.startsWith('/api/')) reply.header('cache-control', 'no-store')
  })
}
