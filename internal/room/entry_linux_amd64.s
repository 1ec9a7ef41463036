#include "textflag.h"

// The least limit under which Go's runtime starts, and aex has room to work.
#define LEAST $0x60000000

DATA tooSmall<>+0x00(SB)/8, $"aex: the"
DATA tooSmall<>+0x08(SB)/8, $" address"
DATA tooSmall<>+0x10(SB)/8, $" space i"
DATA tooSmall<>+0x18(SB)/8, $"s limite"
DATA tooSmall<>+0x20(SB)/8, $"d to les"
DATA tooSmall<>+0x28(SB)/8, $"s than t"
DATA tooSmall<>+0x30(SB)/8, $"he 1.5 G"
DATA tooSmall<>+0x38(SB)/8, $"iB that "
DATA tooSmall<>+0x40(SB)/8, $"aex need"
DATA tooSmall<>+0x48(SB)/8, $"s; raise"
DATA tooSmall<>+0x50(SB)/8, $" it: uli"
DATA tooSmall<>+0x58(SB)/8, $"mit -v u"
DATA tooSmall<>+0x60(SB)/8, $"nlimited"
DATA tooSmall<>+0x68(SB)/1, $"\n"
GLOBL tooSmall<>(SB), RODATA|NOPTR, $0x69

// getrlimit(RLIMIT_AS), and on to Go where that is enough or cannot be told.
// The stack is as the kernel left it when Go begins.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	SUBQ $32, SP
	MOVQ $97, AX
	MOVQ $9, DI
	MOVQ SP, SI
	SYSCALL
	MOVQ 0(SP), CX
	ADDQ $32, SP
	TESTQ AX, AX
	JNE  enough
	MOVQ LEAST, BX
	CMPQ CX, BX
	JCC  enough

	// write(2), exit_group(125)
	MOVQ $1, AX
	MOVQ $2, DI
	LEAQ tooSmall<>(SB), SI
	MOVQ $0x69, DX
	SYSCALL
	MOVQ $231, AX
	MOVQ $125, DI
	SYSCALL

enough:
	JMP _rt0_amd64_linux(SB)
