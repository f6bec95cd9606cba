import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { filesUnder, repository } from '../tidiness/files.ts'

const read = (path: string) => readFileSync(join(repository, path), 'utf8')
const documents = filesUnder().filter((path) => path.endsWith('.md'))

/** The anchors that GitHub gives to the headings of a page. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function brokenLinks(path: string): string[] {
  const links = [...read(path).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, link]) => link!)
  return links.filter((link) => {
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? path : join(dirname(path), decodeURIComponent(file))
    if (!existsSync(join(repository, target))) return true
    return anchor !== undefined && target.endsWith('.md') && !anchors(read(target)).includes(anchor)
  })
}

test('links between the documents lead somewhere', () => {
  const broken = documents.flatMap((path) => brokenLinks(path).map((link) => `${path}: ${link}`))
  assert.deepEqual(broken, [])
})

/** Words like `packages/log` or `tests/faults/` in the text of a document. */
function namedPaths(path: string): string[] {
  const named = /`((?:packages|docs|tests|scripts|bench|deploy|examples)\/[\w./*-]*)`/g
  return [...read(path).matchAll(named)].map(([, name]) => name!)
}

test('paths that the documents name are there', () => {
  const missing = documents.flatMap((path) =>
    namedPaths(path)
      .filter((name) => !name.includes('*') && !existsSync(join(repository, name)))
      .map((name) => `${path}: ${name}`),
  )
  assert.deepEqual(missing, [])
})

test('every document is linked from another', () => {
  const linked = new Set(
    documents.flatMap((path) =>
      [...read(path).matchAll(/\]\((?!https?:)([^)\s#]+)/g)].map(([, link]) => join(dirname(path), link!)),
    ),
  )
  const roots = ['README.md', 'docs/README.md']
  const isLinked = (path: string) => linked.has(path) || linked.has(dirname(path)) || roots.includes(path)
  const lost = documents.filter((path) => path.startsWith('docs/') && !isLinked(path))
  assert.deepEqual(lost, [], 'Link it from docs/README.md')
})
