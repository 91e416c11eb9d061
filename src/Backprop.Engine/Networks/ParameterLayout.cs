using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Backprop.Engine.Initializers;

namespace Backprop.Engine.Networks;

/// <summary>What a parameter is for; penalties and weight decay look at it.</summary>
public enum ParameterRole
{
    /// <summary>Multiplies activations: decayed and penalized.</summary>
    Weight,

    /// <summary>Added to activations: neither decayed nor penalized.</summary>
    Bias,

    /// <summary>Scales normalized activations: neither decayed nor penalized.</summary>
    Scale,

    /// <summary>A running statistic, such as batch normalization's mean. What travels in the place
    /// of its gradient is the sum over micro-batches of what they observed, and the update is
    /// value += (1 − momentum)·(sum / M − value), with the M micro-batches that have rows: it goes
    /// up the gradient tree and is served like a weight, so that it is exact for the same reasons.
    /// </summary>
    Statistic,
}

/// <summary>A parameter tensor as its layer declares it.</summary>
/// <param name="Name">Its name within the layer: <c>weight</c>, <c>bias</c>.</param>
/// <param name="Shape">Its shape, for example [inputs, outputs].</param>
/// <param name="Role">What it is for.</param>
/// <param name="Initializer">Its first values.</param>
/// <param name="Trainable">False: kept as initialized (frozen).</param>
/// <param name="StatisticMomentum">For a statistic, and only for one: the momentum of its update,
/// how much of the old value a step keeps; 0.9 is PyTorch's momentum of 0.1.</param>
public sealed record ParameterDeclaration(
    string Name, Shape Shape, ParameterRole Role, Initializer Initializer, bool Trainable = true,
    double? StatisticMomentum = null)
{
    /// <summary>Whether an optimizer updates it: it is trainable and no statistic. What is not
    /// takes no part in penalties, norms and clipping.</summary>
    public bool IsOptimized => Trainable && Role != ParameterRole.Statistic;
}

/// <summary>A named part of the flat parameter vector.</summary>
/// <param name="Name">Layer and parameter, for example <c>output.weight</c>.</param>
/// <param name="LayerIndex">The node of the network that it belongs to.</param>
/// <param name="Declaration">What the layer declared.</param>
/// <param name="Offset">Its first element in the flat vector; a multiple of 16.</param>
public sealed record ParameterView(
    string Name, int LayerIndex, ParameterDeclaration Declaration, int Offset)
{
    /// <summary>Its elements; the flat vector has zero padding after them, to the next multiple
    /// of 16.</summary>
    public int Length => Declaration.Shape.Count;

    /// <summary>The name of its layer.</summary>
    public string LayerName => Name[..^(Declaration.Name.Length + 1)];
}

/// <summary>
/// The flat vector that holds every parameter of a network, in the order of declaration. Gradients
/// and optimizer state have the same layout.
/// </summary>
public sealed class ParameterLayout
{
    /// <summary>Parameters in a block of every run that users start.</summary>
    public const int DefaultBlockLength = 65_536;

    private const int ViewAlignment = 16;

    /// <summary>Lays out the declarations of layers one after the other.</summary>
    /// <param name="parameters">In order.</param>
    /// <param name="blockLength">Parameters in a block. It belongs to the run like its layers: the
    /// order of global sums depends on it. Only simulations choose a shorter one.</param>
    /// <exception cref="ArgumentException">The vector would be longer than a buffer may be, or a
    /// name stands twice.</exception>
    public ParameterLayout(
        IEnumerable<(string LayerName, int LayerIndex, ParameterDeclaration Declaration)>
            parameters,
        int blockLength = DefaultBlockLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blockLength, 1);
        BlockLength = blockLength;
        var views = ImmutableArray.CreateBuilder<ParameterView>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        long offset = 0;
        foreach ((string layerName, int layerIndex, ParameterDeclaration declaration) in parameters)
        {
            string name = $"{layerName}.{declaration.Name}";
            if (!names.Add(name))
            {
                throw new ArgumentException($"two parameters are named '{name}'");
            }

            views.Add(new ParameterView(name, layerIndex, declaration, (int)offset));
            Count += declaration.Shape.Count;
            offset += (declaration.Shape.Count + ViewAlignment - 1L) & ~(ViewAlignment - 1L);
            if (offset > Shape.MaxCount)
            {
                throw new ArgumentException(
                    $"more than {Shape.MaxCount:N0} parameters, with '{name}'");
            }
        }

        Views = views.ToImmutable();
        Length = (int)offset;
    }

    /// <summary>The parameter tensors, in order.</summary>
    public ImmutableArray<ParameterView> Views { get; }

    /// <summary>Floats in the flat vector, padding included.</summary>
    public int Length { get; }

    /// <summary>Parameters, padding excluded.</summary>
    public long Count { get; }

    /// <summary>Parameters in a block: the unit of slices, of global norms and of checkpoints.
    /// </summary>
    public int BlockLength { get; }

    /// <summary>Parameter blocks in the flat vector.</summary>
    public int BlockCount => (Length + BlockLength - 1) / BlockLength;

    /// <summary>Looks a tensor up by its full name.</summary>
    public bool TryFind(string name, [NotNullWhen(true)] out ParameterView? view)
    {
        view = Views.FirstOrDefault(v => v.Name == name);
        return view is not null;
    }

    /// <summary>Holds a vector to the layout's length.</summary>
    /// <exception cref="ArgumentException">It has another one.</exception>
    public void CheckLength(AlignedBuffer vector)
    {
        if (vector.Length != Length)
        {
            throw new ArgumentException(
                $"a vector of {vector.Length:N0} floats for a network whose parameters take "
                + $"{Length:N0}");
        }
    }
}
