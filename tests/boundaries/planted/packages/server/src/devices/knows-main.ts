// breaks: only-main-knows-the-parts feature-imports-no-outer-room
import '../main.ts'
