using Backprop.Engine.Randomness;

namespace Backprop.Engine.Initializers;

/// <summary>A rule for the first values of a parameter tensor.</summary>
public abstract record Initializer
{
    /// <summary>Fills <paramref name="destination"/>, a tensor of
    /// <paramref name="shape"/>.</summary>
    /// <param name="shape">The tensor's shape.</param>
    /// <param name="fanIn">Inputs that meet in one output of the layer.</param>
    /// <param name="fanOut">Outputs that one input feeds.</param>
    /// <param name="random">The stream of this tensor; element i draws at item 0, element
    /// i.</param>
    /// <param name="destination">The tensor, row-major.</param>
    public abstract void Fill(
        Shape shape, int fanIn, int fanOut, RandomStream random, Span<float> destination);

    /// <summary>Holds the initializer to a tensor before any memory is taken for it.</summary>
    /// <param name="parameter">The tensor's full name, for the message.</param>
    /// <param name="shape">Its shape.</param>
    /// <exception cref="ArgumentException">It cannot fill such a tensor; the message says why.
    /// </exception>
    public virtual void Check(string parameter, Shape shape)
    {
    }
}
