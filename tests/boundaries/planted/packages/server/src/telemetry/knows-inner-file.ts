// breaks: package-by-its-entry
import '../../../log/src/inner.ts'
