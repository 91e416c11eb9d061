using System.Collections.Immutable;

namespace Backprop.Training.Interchange;

/// <summary>
/// A tensor as other programs have it, over a parameter as the network has it: element
/// [i, j, …], row-major, is the parameter's element offset + i·strides[0] + j·strides[1] + …
/// Transposing, splitting and permuting are all of this form.
/// </summary>
/// <param name="Name">Its name there.</param>
/// <param name="Shape">Its shape there.</param>
/// <param name="Parameter">The parameter's full name here.</param>
/// <param name="Extents">What is counted over; adjacent ones may be a single dimension of
/// <paramref name="Shape"/>.</param>
/// <param name="Strides">For each of them, from an element of the parameter to the next.</param>
/// <param name="Offset">The parameter's first element that takes part.</param>
public sealed record StridedTensor(
    string Name, ImmutableArray<int> Shape, string Parameter, ImmutableArray<int> Extents,
    ImmutableArray<int> Strides, int Offset = 0)
{
    /// <summary>True: it has no parameter of its own, is written as zeros, and added to
    /// <see cref="Parameter"/> when it is read; such as the second of an LSTM's two biases.
    /// </summary>
    public bool IsAddend { get; init; }

    /// <summary>For a tensor that another layer has too, under a name of its own: the name of the
    /// owner's, of which it is a copy. Both are written, as PyTorch's <c>state_dict</c> has both;
    /// see <see cref="TiedTensors"/>. Null: it is no copy.</summary>
    public string? CopyOf { get; init; }

    /// <summary>True: a file may have more rows of it, of which the first are read, such as vectors
    /// of positions that a shorter sequence does not have.</summary>
    public bool TakesFirstRows { get; init; }

    /// <summary>Elements.</summary>
    public int Count => Extents.Aggregate(1, (product, extent) => product * extent);

    /// <summary>The shape, <c>[128, 10]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";

    /// <summary>Whether a file's tensor of a shape can be read as this one.</summary>
    public bool CanBeReadOf(ImmutableArray<long> shape) =>
        shape.Length == Shape.Length
        && shape.Select((extent, i) => extent == Shape[i]
            || (i == 0 && TakesFirstRows && extent > Shape[i])).All(suits => suits);

    /// <summary>The parameter as it is.</summary>
    public static StridedTensor Of(string name, string parameter, ReadOnlySpan<int> shape) =>
        Permuted(name, [.. shape], parameter, shape, [.. Enumerable.Range(0, shape.Length)]);

    /// <summary>The parameter with its dimensions in another order.</summary>
    /// <param name="name">Its name there.</param>
    /// <param name="shape">Its shape there; adjacent dimensions may be one.</param>
    /// <param name="parameter">The parameter's full name.</param>
    /// <param name="dimensions">The parameter's dimensions; one may be taken as several.</param>
    /// <param name="order">Which of them comes first there, second, …</param>
    public static StridedTensor Permuted(
        string name, ImmutableArray<int> shape, string parameter,
        ReadOnlySpan<int> dimensions, ReadOnlySpan<int> order)
    {
        var strides = new int[dimensions.Length];
        int stride = 1;
        for (int i = dimensions.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= dimensions[i];
        }

        var extents = ImmutableArray.CreateBuilder<int>(order.Length);
        var ordered = ImmutableArray.CreateBuilder<int>(order.Length);
        foreach (int dimension in order)
        {
            extents.Add(dimensions[dimension]);
            ordered.Add(strides[dimension]);
        }

        return new StridedTensor(
            name, shape, parameter, extents.MoveToImmutable(), ordered.MoveToImmutable());
    }

    /// <summary>So many of its rows, as a tensor of their own.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many.</param>
    public StridedTensor Rows(string name, int first, int count) => this with
    {
        Name = name,
        Shape = Shape.SetItem(0, count),
        Extents = Extents.SetItem(0, count),
        Offset = Offset + (first * Strides[0]),
    };

    /// <summary>The tensor's numbers.</summary>
    /// <param name="parameter">The parameter's, row-major.</param>
    /// <param name="destination">[count], row-major, overwritten.</param>
    public void Gather(ReadOnlySpan<float> parameter, Span<float> destination)
    {
        if (IsAddend)
        {
            destination.Clear();
            return;
        }

        var at = new Walk(this);
        foreach (ref float value in destination)
        {
            value = parameter[at.Index];
            at.Next();
        }
    }

    /// <summary>Puts the tensor's numbers where they belong in the parameter.</summary>
    /// <param name="tensor">[count], row-major.</param>
    /// <param name="parameter">The parameter's, row-major; the others of it stay.</param>
    public void Scatter(ReadOnlySpan<float> tensor, Span<float> parameter)
    {
        var at = new Walk(this);
        foreach (float value in tensor)
        {
            parameter[at.Index] = IsAddend ? parameter[at.Index] + value : value;
            at.Next();
        }
    }

    /// <summary>Goes through the elements in the tensor's order.</summary>
    private struct Walk(StridedTensor tensor)
    {
        private readonly int[] _position = new int[tensor.Extents.Length];

        public int Index { get; private set; } = tensor.Offset;

        public void Next()
        {
            for (int i = _position.Length - 1; i >= 0; i--)
            {
                Index += tensor.Strides[i];
                if (++_position[i] < tensor.Extents[i])
                {
                    return;
                }

                Index -= tensor.Strides[i] * tensor.Extents[i];
                _position[i] = 0;
            }
        }
    }
}
