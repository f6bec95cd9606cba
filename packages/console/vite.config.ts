import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** The server whose API `npm run dev -w @drover/console` shows. */
const server = process.env.DROVER_URL ?? 'http://127.0.0.1:8080'
const served = ['/api', '/healthz', '/ca.pem', '/docs', '/openapi.json']

export default defineConfig({
  plugins: [react()],
  logLevel: 'warn',
  build: {
    target: 'es2022',
    // No data: URLs and no inline scripts, so that a strict content security policy holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(served.map((path) => [path, server])) },
})
