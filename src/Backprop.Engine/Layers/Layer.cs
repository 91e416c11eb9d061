using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>What the user asks for: a layer without its input's shape. Records of this type are
/// what a run's specification is read into, and what C# code builds networks from.</summary>
public abstract record LayerDefinition
{
    /// <summary>The layer's name in the network; null: named by its kind and position.</summary>
    public string? Name { get; init; }

    /// <summary>The word of the specification: <c>dense</c>, <c>dropout</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>Makes the layer for a known input.</summary>
    /// <exception cref="ArgumentException">The input's shape does not suit the layer, or an option
    /// is out of its range; the message says what would be right.</exception>
    public abstract Layer Build(string name, Shape input);

    /// <summary>Adds what the definition stands for to a network: one node, the built layer.
    /// Definitions that stand for several layers (a dense layer with its activation, a residual
    /// block) add them all.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Build"/>.</exception>
    public virtual void AddTo(NetworkBuilder builder, string name) =>
        builder.Append(Build(name, builder.OutputShape));
}

/// <summary>
/// A step of the network: y = f(x; parameters), computed for all rows at once. A layer is
/// immutable; parameters, activations and everything else that changes come in with each pass.
/// </summary>
/// <remarks>A row's result never depends on the other rows (rule 1). Batch statistics are the
/// exception that proves it: they are taken over one micro-batch, which is the same everywhere.
/// </remarks>
public abstract class Layer
{
    /// <summary>A layer of these shapes and parameters.</summary>
    protected Layer(
        string name, string kind, Shape inputShape, Shape outputShape,
        params ImmutableArray<ParameterDeclaration> parameters)
    {
        Name = name;
        Kind = kind;
        InputShape = inputShape;
        OutputShape = outputShape;
        Parameters = parameters;
    }

    /// <summary>Its name in the network.</summary>
    public string Name { get; }

    /// <summary>The word of the specification.</summary>
    public string Kind { get; }

    /// <summary>The shape of one input row.</summary>
    public Shape InputShape { get; }

    /// <summary>The shape of one output row.</summary>
    public Shape OutputShape { get; }

    /// <summary>The shape of one row of the second input, where the network gives the layer one:
    /// see <see cref="NetworkNode.Skip"/>.</summary>
    public virtual Shape SkipShape => OutputShape;

    /// <summary>Whether the gradient of the second input is that of the output, as it is for a sum;
    /// else <see cref="BackwardToSkip"/> computes it.</summary>
    public virtual bool PassesGradientToSkip => true;

    /// <summary>The shape of the parameter that the layer shares with the one that owns it: see
    /// <see cref="NetworkNode.Owner"/>. Null: all that it computes with is its own.</summary>
    public virtual Shape? SharedShape => null;

    /// <summary>The parameter tensors, in the order of the layout.</summary>
    public ImmutableArray<ParameterDeclaration> Parameters { get; }

    /// <summary>Floats a row that the forward pass leaves for the backward pass, beside the input
    /// and the output, which are kept anyway.</summary>
    public virtual int SavedPerRow => 0;

    /// <summary>Floats a micro-batch that the forward pass leaves for the backward pass.</summary>
    public virtual int SavedPerMicroBatch => 0;

    /// <summary>Floats a row that the backward pass may scribble on.</summary>
    public virtual int ScratchPerRow => 0;

    /// <summary>Floats that each thread needs for itself in either pass.</summary>
    public virtual long ScratchPerThread => 0;

    /// <summary>Floats that the threads share in either pass, over so many micro-batches at the
    /// most.</summary>
    public virtual long SharedScratch(int microBatches) => 0;

    /// <summary>True for a layer that only reads its input as another shape: nothing is computed,
    /// and the output is the input's memory.</summary>
    public virtual bool IsView => false;

    /// <summary>True for a layer whose output at a position of a sequence depends on later ones:
    /// where none does, what follows a position does not matter to it.</summary>
    public virtual bool LooksAhead => false;

    /// <summary>Computes <see cref="ForwardPass.Output"/>.</summary>
    public abstract void Forward(in ForwardPass pass);

    /// <summary>Computes <see cref="BackwardPass.InputGradient"/> (where it is not null) and the
    /// gradient of every parameter for every tree node.</summary>
    public abstract void Backward(in BackwardPass pass);

    /// <summary>Computes the gradient of the second input, of a layer that has one and does not
    /// pass its own gradient on to it.</summary>
    /// <param name="pass">What <see cref="Backward"/> was given.</param>
    /// <param name="skipGradient">[rows, <see cref="SkipShape"/>], overwritten.</param>
    public virtual unsafe void BackwardToSkip(in BackwardPass pass, float* skipGradient) =>
        throw new InvalidOperationException($"'{Name}' passes its own gradient to its skip input");

    /// <summary>Computes what the layer adds to the gradient of a parameter that it shares, as its
    /// owner (the first parameter) or as another; <see cref="Backward"/> of another computes
    /// nothing for it.</summary>
    /// <param name="pass">What <see cref="Backward"/> was given.</param>
    /// <param name="node">The tree node: one micro-batch, where others add to it.</param>
    /// <param name="gradient">As long as the parameter, overwritten.</param>
    public virtual unsafe void SharedGradient(
        in BackwardPass pass, in NodeGradient node, float* gradient) =>
        throw new InvalidOperationException($"'{Name}' shares no parameter");

    /// <summary>Numbers a row that the layer's own gradient takes as constants although they depend
    /// on its parameters and its input: <see cref="ReferencePass.Hold"/> is told them.</summary>
    public virtual int HeldPerRow => 0;

    /// <summary>The layer's plain definition in double precision: what central differences are
    /// taken of. Written for reading, not for speed.</summary>
    public abstract void ReferenceForward(in ReferencePass pass);

    /// <summary>Computes <see cref="BackwardPass.InputGradient"/>, where it is not null, as that of
    /// the output: input and output are of one shape.</summary>
    private protected unsafe void PassGradientOn(in BackwardPass pass)
    {
        if (pass.InputGradient is not null)
        {
            RowParallel.Copy(
                pass.Forward.Pool, pass.OutputGradient, pass.Forward.Rows, InputShape.Count,
                pass.InputGradient);
        }
    }
}

/// <summary>Which step a pass belongs to: what its randomness is keyed by.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Step">The step, from 0.</param>
/// <param name="Training">False in evaluation: no dropout, running statistics in the place of batch
/// statistics.</param>
public readonly record struct StepKey(ulong Seed, long Step, bool Training);
