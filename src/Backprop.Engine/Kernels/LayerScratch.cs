namespace Backprop.Engine.Kernels;

/// <summary>Memory that a pass may scribble on.</summary>
/// <param name="shared">For all threads.</param>
/// <param name="perThread">For each part of the work that the pool runs at once, one after the
/// other.</param>
/// <param name="threadFloats">Floats from a part's memory to the next one's.</param>
public readonly unsafe struct LayerScratch(float* shared, float* perThread, nint threadFloats)
{
    /// <summary>For all threads: <see cref="Layers.Layer.SharedScratch"/> floats.</summary>
    public readonly float* Shared = shared;

    private readonly float* _perThread = perThread;

    /// <summary>For a part of the work: <see cref="Layers.Layer.ScratchPerThread"/> floats.
    /// </summary>
    public float* OfPart(int part) => _perThread + part * threadFloats;
}
