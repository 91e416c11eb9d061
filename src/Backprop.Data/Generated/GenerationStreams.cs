namespace Backprop.Data.Generated;

/// <summary>The streams of randomness that generated datasets draw from. The numbers are part of
/// the format of every run: never change one, never reuse one.</summary>
internal static class GenerationStreams
{
    public const uint TeacherWeights = 0;
    public const uint TeacherInputs = 1;
    public const uint MoonAngles = 2;
    public const uint MoonNoise = 3;
    public const uint SpiralRadii = 4;
    public const uint SpiralNoise = 5;
}
