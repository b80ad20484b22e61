/* registers: begin */
/* Made from nhot.rdl by `make registers`. Offsets in bytes, then fields: lowest bit and mask. */
#define NHOT_ID                            0x00u
#define NHOT_VERSION                       0x04u
#define NHOT_TARGET                        0x08u
#define NHOT_FEATURES                      0x0cu
#define NHOT_STATUS                        0x10u
#define NHOT_ACQUIRE                       0x14u
#define NHOT_COMMIT                        0x18u
#define NHOT_CLEAR                         0x1cu
#define NHOT_IRQ_STATUS                    0x20u
#define NHOT_IRQ_ENABLE                    0x24u
#define NHOT_DATA                          0x28u
#define NHOT_ROOM                          0x2cu
#define NHOT_INPUT                         0x30u
#define NHOT_INPUT_WORDS                   0x34u
#define NHOT_OUTPUT                        0x38u
#define NHOT_OUTPUT_WORDS                  0x3cu
#define NHOT_LIMIT                         0x40u
#define NHOT_JOBS                          0x50u
#define NHOT_CYCLES                        0x54u
#define NHOT_STALLS                        0x58u
#define NHOT_LAYERS                        0x5cu
#define NHOT_MEMORY_PROGRAM                0x60u
#define NHOT_MEMORY_REQUANT                0x64u
#define NHOT_MEMORY_WEIGHTS                0x68u
#define NHOT_MEMORY_ACTIVATIONS            0x6cu
#define NHOT_MEMORY_TIMING                 0x70u

#define NHOT_VERSION_REGISTERS_BIT         0
#define NHOT_VERSION_REGISTERS_MASK        0x0000ffffu
#define NHOT_VERSION_IMAGE_BIT             16
#define NHOT_VERSION_IMAGE_MASK            0xffff0000u
#define NHOT_FEATURES_STREAM_BIT           0
#define NHOT_FEATURES_STREAM_MASK          0x00000001u
#define NHOT_FEATURES_BUFFER_BIT           1
#define NHOT_FEATURES_BUFFER_MASK          0x0003fffeu
#define NHOT_STATUS_RUNNING_BIT            0
#define NHOT_STATUS_RUNNING_MASK           0x00000001u
#define NHOT_STATUS_ACQUIRED_BIT           1
#define NHOT_STATUS_ACQUIRED_MASK          0x00000002u
#define NHOT_STATUS_PHASE_BIT              2
#define NHOT_STATUS_PHASE_MASK             0x0000000cu
#define NHOT_STATUS_REFUSAL_BIT            4
#define NHOT_STATUS_REFUSAL_MASK           0x00000070u
#define NHOT_STATUS_FAULT_BIT              7
#define NHOT_STATUS_FAULT_MASK             0x00000180u
#define NHOT_STATUS_OUTPUT_BIT             9
#define NHOT_STATUS_OUTPUT_MASK            0x00000200u
#define NHOT_COMMIT_GO_BIT                 0
#define NHOT_COMMIT_GO_MASK                0x00000001u
#define NHOT_CLEAR_GO_BIT                  0
#define NHOT_CLEAR_GO_MASK                 0x00000001u
#define NHOT_IRQ_STATUS_DONE_BIT           0
#define NHOT_IRQ_STATUS_DONE_MASK          0x00000001u
#define NHOT_IRQ_STATUS_FAULT_BIT          1
#define NHOT_IRQ_STATUS_FAULT_MASK         0x00000002u
#define NHOT_IRQ_STATUS_REFUSED_BIT        2
#define NHOT_IRQ_STATUS_REFUSED_MASK       0x00000004u
#define NHOT_IRQ_STATUS_OUTPUT_BIT         3
#define NHOT_IRQ_STATUS_OUTPUT_MASK        0x00000008u
#define NHOT_IRQ_ENABLE_DONE_BIT           0
#define NHOT_IRQ_ENABLE_DONE_MASK          0x00000001u
#define NHOT_IRQ_ENABLE_FAULT_BIT          1
#define NHOT_IRQ_ENABLE_FAULT_MASK         0x00000002u
#define NHOT_IRQ_ENABLE_REFUSED_BIT        2
#define NHOT_IRQ_ENABLE_REFUSED_MASK       0x00000004u
#define NHOT_IRQ_ENABLE_OUTPUT_BIT         3
#define NHOT_IRQ_ENABLE_OUTPUT_MASK        0x00000008u
#define NHOT_ROOM_WORDS_BIT                0
#define NHOT_ROOM_WORDS_MASK               0x0001ffffu
#define NHOT_INPUT_ADDRESS_BIT             0
#define NHOT_INPUT_ADDRESS_MASK            0x0000ffffu
#define NHOT_INPUT_REGION_BIT              16
#define NHOT_INPUT_REGION_MASK             0x00070000u
#define NHOT_INPUT_WORDS_WORDS_BIT         0
#define NHOT_INPUT_WORDS_WORDS_MASK        0x0001ffffu
#define NHOT_OUTPUT_ADDRESS_BIT            0
#define NHOT_OUTPUT_ADDRESS_MASK           0x0000ffffu
#define NHOT_OUTPUT_REGION_BIT             16
#define NHOT_OUTPUT_REGION_MASK            0x00070000u
#define NHOT_OUTPUT_STREAM_BIT             19
#define NHOT_OUTPUT_STREAM_MASK            0x00080000u
#define NHOT_OUTPUT_WORDS_WORDS_BIT        0
#define NHOT_OUTPUT_WORDS_WORDS_MASK       0x0001ffffu
#define NHOT_LIMIT_LIMIT_BIT               0
#define NHOT_LIMIT_LIMIT_MASK              0x0000ffffu
#define NHOT_JOBS_COUNT_BIT                0
#define NHOT_JOBS_COUNT_MASK               0x7fffffffu
#define NHOT_LAYERS_COUNT_BIT              0
#define NHOT_LAYERS_COUNT_MASK             0x0000ffffu
#define NHOT_MEMORY_PROGRAM_DEPTH_BIT      0
#define NHOT_MEMORY_PROGRAM_DEPTH_MASK     0x0001ffffu
#define NHOT_MEMORY_PROGRAM_WORD_BYTES_BIT 17
#define NHOT_MEMORY_PROGRAM_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_REQUANT_DEPTH_BIT      0
#define NHOT_MEMORY_REQUANT_DEPTH_MASK     0x0001ffffu
#define NHOT_MEMORY_REQUANT_WORD_BYTES_BIT 17
#define NHOT_MEMORY_REQUANT_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_WEIGHTS_DEPTH_BIT      0
#define NHOT_MEMORY_WEIGHTS_DEPTH_MASK     0x0001ffffu
#define NHOT_MEMORY_WEIGHTS_WORD_BYTES_BIT 17
#define NHOT_MEMORY_WEIGHTS_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_ACTIVATIONS_DEPTH_BIT  0
#define NHOT_MEMORY_ACTIVATIONS_DEPTH_MASK 0x0001ffffu
#define NHOT_MEMORY_ACTIVATIONS_WORD_BYTES_BIT 17
#define NHOT_MEMORY_ACTIVATIONS_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_TIMING_DEPTH_BIT       0
#define NHOT_MEMORY_TIMING_DEPTH_MASK      0x0001ffffu
#define NHOT_MEMORY_TIMING_WORD_BYTES_BIT  17
#define NHOT_MEMORY_TIMING_WORD_BYTES_MASK 0x03fe0000u

#define NHOT_ID_MAGIC_VALUE                0x544f484eu
#define NHOT_VERSION_REGISTERS_VALUE       0x1u
#define NHOT_VERSION_IMAGE_VALUE           0x2u

#define NHOT_FAULT_NONE                    0u /* the run came to its END */
#define NHOT_FAULT_PROGRAM                 1u /* a descriptor that the engine cannot run, or a program without END */
#define NHOT_FAULT_ADDRESS                 2u /* an address beyond a memory */
#define NHOT_FAULT_CYCLES                  3u /* more cycles than LIMIT */
#define NHOT_PHASE_IDLE                    0u /* no job */
#define NHOT_PHASE_INPUT                   1u /* words go to a memory */
#define NHOT_PHASE_RUN                     2u /* the program runs */
#define NHOT_PHASE_OUTPUT                  3u /* words come from a memory */
#define NHOT_REFUSAL_NONE                  0u /* it was accepted */
#define NHOT_REFUSAL_BUSY                  1u /* a job is under way */
#define NHOT_REFUSAL_NOT_ACQUIRED          2u /* ACQUIRE was not read before */
#define NHOT_REFUSAL_INPUT                 3u /* the input does not lie within a memory that can be written */
#define NHOT_REFUSAL_OUTPUT                4u /* the output does not lie within a memory */
#define NHOT_REFUSAL_STREAM                5u /* the output is for a stream, and there is none */
#define NHOT_REGION_PROGRAM                0u /* descriptors, words of 4 bytes */
#define NHOT_REGION_REQUANT                1u /* records of the requantisers */
#define NHOT_REGION_WEIGHTS                2u /* weights: written as codes, read as fields */
#define NHOT_REGION_ACTIVATIONS            3u /* activations, words of S bytes */
#define NHOT_REGION_TIMING                 4u /* two words for each layer of the last run: read only */
/* registers: end */
