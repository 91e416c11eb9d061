using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Losses;

/// <summary>What one of a network's outputs is judged by.</summary>
/// <param name="Loss">Its loss.</param>
/// <param name="Weight">What its loss counts in the row's.</param>
public sealed record LossTerm(Loss Loss, float Weight = 1);

/// <summary>
/// What a network is judged by: a row's loss is Σ weight·loss over the outputs, added in their
/// order in double precision. PyTorch users write <c>(w1 * loss1 + w2 * loss2).backward()</c>.
/// A single loss is the sum of one term of weight 1, and converts to it.
/// </summary>
public sealed class LossSum : IEquatable<LossSum>
{
    /// <summary>The sum of these terms.</summary>
    /// <param name="terms">One for each output of the network, in their order.</param>
    /// <exception cref="ArgumentException">There are none, or a weight is not above 0 and finite.
    /// </exception>
    public LossSum(params ImmutableArray<LossTerm> terms)
    {
        if (terms.IsDefaultOrEmpty)
        {
            throw new ArgumentException("a network is judged by at least one loss", nameof(terms));
        }

        if (terms.FirstOrDefault(term => !(term.Weight > 0 && float.IsFinite(term.Weight)))
            is { } wrong)
        {
            throw new ArgumentException(
                $"a loss has the weight {wrong.Weight}: it is above 0 and finite", nameof(terms));
        }

        Terms = terms;
    }

    /// <summary>One for each output of the network, in their order.</summary>
    public ImmutableArray<LossTerm> Terms { get; }

    /// <summary>The only loss, of a network with one output; null: there are several, or the one
    /// has a weight.</summary>
    public Loss? Single => Terms is [{ Weight: 1, Loss: var loss }] ? loss : null;

    /// <summary>For example <c>softmax-cross-entropy + 0.3 · huber</c>.</summary>
    public string Name => string.Join(" + ", Terms.Select(term => term.Weight == 1
        ? term.Loss.Name
        : string.Create(CultureInfo.InvariantCulture, $"{term.Weight} · {term.Loss.Name}")));

    /// <summary>A loss as the sum of itself.</summary>
    public static implicit operator LossSum(Loss loss) => new(new LossTerm(loss));

    /// <summary>Refuses a network with other outputs.</summary>
    /// <exception cref="ArgumentException">There is not a term for each output.</exception>
    public void Require(Network network)
    {
        if (Terms.Length != network.Outputs.Length)
        {
            throw new ArgumentException(
                $"{Terms.Length} losses for a network of {network.Outputs.Length} outputs: give "
                + "each output one");
        }
    }

    /// <summary>Floats in a row of targets: those of the outputs stand side by side, in their
    /// order.</summary>
    public int TargetWidth(Network network)
    {
        int width = 0;
        for (int i = 0; i < Terms.Length; i++)
        {
            width += TargetWidth(network, i);
        }

        return width;
    }

    /// <summary>Floats that an output's targets have in a row.</summary>
    public int TargetWidth(Network network, int output) =>
        Terms[output].Loss.TargetWidth(network.Outputs[output].Shape);

    /// <summary>A row's losses in double precision.</summary>
    /// <param name="network">The network.</param>
    /// <param name="outputs">The row's outputs, those of the network side by side.</param>
    /// <param name="targets">[<see cref="TargetWidth(Network)"/>].</param>
    /// <param name="losses">Each output's own, without its weight, overwritten; empty: only the sum
    /// is wanted.</param>
    /// <returns>The weighted sum.</returns>
    public double Reference(
        Network network, ReadOnlySpan<double> outputs, ReadOnlySpan<float> targets,
        Span<double> losses = default)
    {
        double sum = 0;
        for (int i = 0; i < Terms.Length; i++)
        {
            Shape shape = network.Outputs[i].Shape;
            (Loss loss, float weight) = Terms[i];
            int width = TargetWidth(network, i);
            double own = loss.ReferenceOfRow(
                outputs[..shape.Count], targets[..width], loss.PositionsOf(shape));
            sum += weight * own;
            if (!losses.IsEmpty)
            {
                losses[i] = own;
            }

            outputs = outputs[shape.Count..];
            targets = targets[width..];
        }

        return sum;
    }

    /// <inheritdoc/>
    public bool Equals(LossSum? other) =>
        other is not null && Terms.AsSpan().SequenceEqual(other.Terms.AsSpan());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LossSum);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Terms.Length, Terms[0]);

    /// <summary>A single loss as it writes itself; several as terms: it is part of what a run is
    /// known by.</summary>
    public override string ToString() => Single is { } loss
        ? loss.ToString()
        : string.Join(" + ", Terms.Select(term => string.Create(
            CultureInfo.InvariantCulture, $"{term.Weight} * {term.Loss}")));
}
