namespace Backprop.Training.Protocol;

/// <summary>How the elements of a piece are written where it travels. The numbers are the wire's
/// and never change.</summary>
public enum ElementEncoding : byte
{
    /// <summary>As they are.</summary>
    Fp32 = 0,

    /// <summary>Rounded to bfloat16, half as many bytes: inexact.</summary>
    Bf16 = 1,
}
