//! Which instructions touch vector, mask, MMX or x87 state.

use iced_x86::{CpuidFeature, Instruction, InstructionInfoFactory, Mnemonic};

/// Instructions on that state which name none of its registers.
const WITHOUT_REGISTER: &[Mnemonic] = &[
    Mnemonic::Emms,
    Mnemonic::Fxrstor,
    Mnemonic::Fxrstor64,
    Mnemonic::Fxsave,
    Mnemonic::Fxsave64,
    Mnemonic::Ldmxcsr,
    Mnemonic::Vldmxcsr,
    Mnemonic::Vzeroall,
    Mnemonic::Vzeroupper,
    Mnemonic::Xrstor,
    Mnemonic::Xrstor64,
    Mnemonic::Xsave,
    Mnemonic::Xsave64,
    Mnemonic::Xsavec,
    Mnemonic::Xsavec64,
    Mnemonic::Xsaveopt,
    Mnemonic::Xsaveopt64,
];

/// Whether an instruction reads or writes such state.
pub fn is_touched_by(instruction: &Instruction, factory: &mut InstructionInfoFactory) -> bool {
    WITHOUT_REGISTER.contains(&instruction.mnemonic())
        || is_x87(instruction)
        || factory
            .info(instruction)
            .used_registers()
            .iter()
            .map(iced_x86::UsedRegister::register)
            .any(|register| {
                register.is_vector_register()
                    || register.is_k()
                    || register.is_mm()
                    || register.is_st()
            })
}

/// x87 instructions push and pop, mostly without naming a register.
fn is_x87(instruction: &Instruction) -> bool {
    instruction.cpuid_features().iter().any(|feature| {
        matches!(feature, CpuidFeature::FPU | CpuidFeature::FPU287 | CpuidFeature::FPU387)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions};

    fn touches(bytes: &[u8]) -> bool {
        let mut decoder = Decoder::new(64, bytes, DecoderOptions::NONE);
        is_touched_by(&decoder.decode(), &mut InstructionInfoFactory::new())
    }

    #[test]
    fn moves_of_vector_mask_and_x87_registers_touch_the_state() {
        assert!(touches(&[0x0f, 0x28, 0xc1]), "movaps xmm0, xmm1");
        assert!(touches(&[0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1]), "vmovaps zmm0, zmm1");
        assert!(touches(&[0xc5, 0xf8, 0x90, 0xc9]), "kmovw k1, k1");
        assert!(touches(&[0x0f, 0x6f, 0xc1]), "movq mm0, mm1");
        assert!(touches(&[0xd9, 0xe8]), "fld1");
    }

    #[test]
    fn instructions_that_name_no_vector_register_touch_the_state_too() {
        assert!(touches(&[0xc5, 0xf8, 0x77]), "vzeroupper");
        assert!(touches(&[0x0f, 0xae, 0x00]), "fxsave [rax]");
        assert!(touches(&[0x0f, 0x77]), "emms");
    }

    #[test]
    fn vex_encoded_and_sse_era_instructions_on_general_registers_do_not() {
        assert!(!touches(&[0xc4, 0xe2, 0x78, 0xf2, 0xc1]), "andn eax, eax, ecx");
        assert!(!touches(&[0xf3, 0x0f, 0xb8, 0xc1]), "popcnt eax, ecx");
        assert!(!touches(&[0x0f, 0xae, 0xf0]), "mfence");
        assert!(!touches(&[0x0f, 0xc3, 0x08]), "movnti [rax], ecx");
    }
}
