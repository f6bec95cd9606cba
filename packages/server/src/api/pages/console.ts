import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Api } from '../fastify.ts'

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Drover</title>
<body style="font: 16px/1.5 system-ui; max-width: 40em; margin: 4em auto; padding: 0 1em">
<h1>Drover runs</h1>
<p>The console is not built yet. Build it with <code>npm run build -w @drover/console</code> and start again.</p>
<p>The API is here meanwhile: <a href="/docs">reference</a>, <a href="/openapi.json">OpenAPI</a>.</p>`

export interface Console {
  /** Answers a page's address with the console, which finds its own way; undefined for any other request. */
  page(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined
}

/** Serves the built console; without one, `/` says how to build it. */
export async function serveConsole(api: Api, directory: string | undefined): Promise<Console> {
  const index = directory === undefined ? undefined : join(directory, 'index.html')
  if (directory === undefined || index === undefined || !existsSync(index)) {
    api.get('/', { schema: { hide: true } }, (_, reply) =>
      reply.type('text/html; charset=utf-8').send(notBuilt as never),
    )
    return { page: () => undefined }
  }
  await api.register(fastifyStatic, {
    root: directory,
    setHeaders: (reply, path) => {
      // The names of assets hold a hash of what is in them.
      const immutable = path.startsWith(join(directory, 'assets'))
      reply.header('cache-control', immutable ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
    cacheControl: false,
  })
  const isPage = ({ method, url, headers }: FastifyRequest) =>
    (method === 'GET' || method === 'HEAD') &&
    headers.accept?.includes('text/html') === true &&
    !/^\/(api|assets|docs)\//.test(url)
  return {
    page: (request, reply) => (isPage(request) ? reply.code(200).sendFile('index.html') : undefined),
  }
}

/** The hashes of the scripts that are written into the console's page, for the content security policy. */
export function inlineScriptHashes(directory: string | undefined): string[] {
  const index = directory === undefined ? undefined : join(directory, 'index.html')
  if (index === undefined || !existsSync(index)) return []
  const scripts = readFileSync(index, 'utf8').matchAll(/<script(?![^>]*\ssrc=)[^>]*>([\s\S]*?)<\/script>/gi)
  return [...scripts].map(([, text]) => `'sha256-${createHash('sha256').update(text!).digest('base64')}'`)
}
