// breaks: cli-imports-only-client-and-server-entry package-by-its-entry
import '../../server/src/config.ts'
