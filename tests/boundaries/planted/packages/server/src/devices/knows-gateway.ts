// breaks: feature-imports-no-outer-room
import '../gateway/listen.ts'
