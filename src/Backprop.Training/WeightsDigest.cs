using System.Security.Cryptography;
using Backprop.Engine;
using Backprop.Engine.Networks;

namespace Backprop.Training;

/// <summary>
/// What is compared when two runs are said to be the same to the last bit: SHA-256 over the
/// parameter tensors in the order of the layout, as little-endian fp32, without the flat vector's
/// padding.
/// </summary>
public static class WeightsDigest
{
    /// <summary>The digest of weights, in lower-case hex.</summary>
    /// <param name="layout">Where the tensors lie.</param>
    /// <param name="weights">[layout.Length].</param>
    public static string OfWeights(ParameterLayout layout, AlignedBuffer weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(layout, weights.Span, hash);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The digest of weights and then each of the optimizer's states, in lower-case hex.
    /// </summary>
    /// <param name="layout">Where the tensors lie.</param>
    /// <param name="weights">[layout.Length].</param>
    /// <param name="optimizerState">[states · layout.Length], one state after the other.</param>
    public static string OfState(
        ParameterLayout layout, AlignedBuffer weights, AlignedBuffer optimizerState)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(layout, weights.Span, hash);
        for (int start = 0; start < optimizerState.Length; start += layout.Length)
        {
            Append(layout, optimizerState.Span.Slice(start, layout.Length), hash);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Append(ParameterLayout layout, Span<float> vector, IncrementalHash hash)
    {
        foreach (ParameterView view in layout.Views)
        {
            Span<float> tensor = vector.Slice(view.Offset, view.Length);
            for (int start = 0; start < tensor.Length; start += LittleEndian.PieceFloats)
            {
                hash.AppendData(LittleEndian.Piece(tensor, start));
            }
        }
    }
}
