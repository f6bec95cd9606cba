// breaks: sdk-imports-only-protocol
import '../../../log/src/index.ts'
